"""The layout of the state directory. Imports little, because every command reads it."""

from pathlib import Path
from typing import Final


class StateDir:
    """The paths in a state directory; none of them need exist.

    Notes about an engine's images are in here as well, unless the engine has a folder of its own: then its StateDir has
    ``images``, ``image_locks`` and ``container_users``.
    """

    def __init__(self, root: Path) -> None:
        self.root: Final = root
        self.lock: Final = root / "wheelyard.lock"
        """Lock of the process that owns the state directory."""
        self.api: Final = root / "api.json"
        """Address of a running ``wheelyard up``, as JSON."""
        self.token: Final = root / "token"
        """The first API token."""
        self.authority: Final = root / "authority"
        """The certificate and the key of the authority that this service made."""
        self.worker_life: Final = root / "worker.alive"
        self.recipes: Final = root / "recipes"
        """Checkouts of the operator's repositories."""
        self.git: Final = root / "cache" / "git"
        """Fetched commits of sources in git, and the sdists that were made of them."""
        self.file_cache: Final = root / "cache" / "files"
        self.wheel_cache: Final = root / "cache" / "wheels"
        """Copies of the index's files, which the API or a proxy before it sends."""
        self.received: Final = root / "received"
        """Files without a name, while they are uploaded."""
        self.crate_cache: Final = root / "cache" / "crates"
        self.image_cache: Final = root / "cache" / "images"
        """Parts that images are made of."""
        self.archive_cache: Final = root / "cache" / "archives"
        """Indexes of the suites' package archives, unpacked."""
        self.uv_cache: Final = root / "cache" / "uv"
        self.images: Final = root / "images"
        """Uses, refreshes and fallbacks of the engine's images."""
        self.image_locks: Final = root / "locks"
        self.container_users: Final = root / "users"
        self.postgres: Final = root / "postgres"
        """The embedded PostgreSQL's data directory."""
        self.postgres_lock: Final = root / "postgres.lock"
        self.devpi: Final = root / "devpi"
        """The embedded devpi's home."""
        self.devpi_data: Final = self.devpi / "data"
        self.devpi_secret: Final = self.devpi / "secret"
        self.devpi_passwords: Final = self.devpi / "passwords.json"
        self.devpi_port: Final = self.devpi / "port"
        self.devpi_pid: Final = self.devpi / "server.pid"
        self.devpi_lock: Final = root / "devpi-server.lock"

    def make(self) -> None:
        """Create the directory. Other users may pass through it, as the database's own user must, but not list it."""
        try:
            self.root.mkdir(parents=True)
        except FileExistsError:
            return
        # Independent of the umask. The content has modes of its own.
        self.root.chmod(0o711)

    def attempts(self, worker: str) -> Path:
        """Return the folder of a worker's running attempts."""
        return self.root / "attempts" / worker

    def log(self, service: str) -> Path:
        """Return the log of a program that runs in the background."""
        return self.root / "logs" / f"{service}.log"

    def postgres_programs(self, version: str) -> Path:
        """Return the folder of a copy of PostgreSQL's programs."""
        return self.root / f"postgres-{version}"

    def devpi_environment(self, made_of: str) -> Path:
        """Return the folder of devpi's virtual environment."""
        return self.root / f"devpi-env-{made_of}"

    def devpi_python(self, copied_from: str) -> Path:
        """Return the folder of a copy of the Python that devpi's virtual environment is made of."""
        return self.root / f"devpi-python-{copied_from}"
