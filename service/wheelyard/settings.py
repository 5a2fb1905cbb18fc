"""Every setting, read from the environment in this one place. Must not act on any of them.

Each field can be set as ``WHEELYARD_<FIELD>`` in the environment or in the file that ``WHEELYARD_ENV_FILE`` names.
The docstring below a field is its reference text: ``docs/settings.md`` is generated from it.
"""

import os
from pathlib import Path
from typing import Annotated, Final, Literal

from platformdirs import user_state_path
from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from pypi_simple import PYPI_SIMPLE_ENDPOINT

from wheelyard.errors import SettingsInvalidError

API_FILE: Final = "api.json"
"""In the state directory, while ``wheelyard up`` runs: where it is, as JSON."""
TOKEN_FILE: Final = "token"  # noqa: S105 - the name of a file
"""In the state directory: the first API token."""

_SYSTEM_STATE: Final = Path("/var/lib/wheelyard")
_MIB: Final = 1 << 20
_GIB: Final = 1 << 30


def _default_state_dir() -> Path:
    """Choose a place that the embedded PostgreSQL's own user can reach: root's home directory is not one."""
    return _SYSTEM_STATE if os.geteuid() == 0 else user_state_path("wheelyard")


class Settings(BaseSettings):
    """How this Wheelyard runs."""

    model_config = SettingsConfigDict(
        env_prefix="WHEELYARD_", frozen=True, extra="forbid", use_attribute_docstrings=True
    )

    state_dir: Path = Field(default_factory=_default_state_dir)
    """Directory of everything that is kept: database, index, caches, logs. Default: /var/lib/wheelyard for root,
    else the user's XDG state directory."""

    database_url: SecretStr | None = None
    """PostgreSQL to use, as a URL or a libpq connection string. Unset: an embedded PostgreSQL is started."""

    index_url: str | None = None
    """Address of the devpi server that holds the wheels. Unset: an embedded devpi is started."""

    index_user: str = "promoter"
    """User that may upload to the index, when ``index_url`` is set."""

    index_password: SecretStr | None = None
    """Password of that user."""

    index_name: str = "wheels/prod"
    """devpi index that proven wheels are published on."""

    upstream_index_url: str = PYPI_SIMPLE_ENDPOINT
    """Simple API (PEP 503 or 691) that sdists and build requirements come from. Default: the public one."""

    ca_bundle: Path | None = None
    """File of PEM certificates to trust for TLS, as many companies need; images get it too. Default: the system's."""

    host: str = "127.0.0.1"
    """Address that the API listens on."""

    port: Annotated[int, Field(ge=0, le=65535)] = 8123
    """Port that the API listens on; 0 takes any free one."""

    engine: str | None = None
    """Container engine's program, such as ``docker`` or ``podman``. Default: whichever answers."""

    engine_open_files: Annotated[int, Field(ge=256)] = 16384
    """Limit of open files that containers get; engines that may not raise limits need it to be no higher than the
    present hard limit."""

    prefetch_network: str | None = None
    """Engine's network for the container that fetches crates, such as ``host``; it runs no code of the project's. All
    other containers have none. Default: the engine's own."""

    apt_mirror: str | None = None
    """Debian mirror that images are made from. Default: the distribution's own."""

    base_image: str | None = None
    """Registry image to start from, with ``{suite}`` in it, such as ``debian:{suite}-slim``. Default: none, the base is
    bootstrapped from the distribution's signed archive."""

    refresh_interval_hours: Annotated[float, Field(ge=0)] = 24.0
    """How often a worker looks for security updates of its host's images and makes those anew that lack any; 0 is
    never. The old image stays in use until the new one is complete."""

    environment_budget_bytes: Annotated[int, Field(ge=0)] = 20 * _GIB
    """Disk space that images with recipes' system packages may take together on a host; those that were used longest
    ago are removed first."""

    default_python: str = "3.13"
    """Python that a request means if it names none."""

    default_platform: str = "manylinux_2_36_x86_64"
    """Platform that a request means if it names none."""

    recipes: tuple[Path, ...] = ()
    """Folders of your own recipes; later ones win over earlier ones and over the built-in ones, by project."""

    worker_slots: Annotated[int, Field(ge=1, le=64)] = 1
    """How many builds one worker runs at the same time."""

    lease_seconds: Annotated[float, Field(ge=2)] = 20.0
    """How long a worker's claim on a build lasts without a heartbeat."""

    max_attempts: Annotated[int, Field(ge=1)] = 3
    """How often a build is begun before it is given up, when workers are lost."""

    limit_memory_bytes: Annotated[int, Field(ge=64 * _MIB)] = 6 * _GIB
    """Memory that a build's container may use, its scratch space included."""

    limit_cpus: Annotated[float, Field(gt=0)] = float(os.cpu_count() or 1)
    """Processors that a build's container may use. Default: all."""

    limit_processes: Annotated[int, Field(ge=16)] = 1024
    """Processes and threads that a build's container may have."""

    limit_scratch_bytes: Annotated[int, Field(ge=16 * _MIB)] = 4 * _GIB
    """Size of a container's writable space."""

    limit_time_seconds: Annotated[int, Field(ge=10)] = 3600
    """How long one stage in a container may take."""

    limit_log_bytes: Annotated[int, Field(ge=4096)] = 32 * _MIB
    """Where an attempt's log is cut, with a note."""

    limit_wheel_bytes: Annotated[int, Field(ge=_MIB)] = 2 * _GIB
    """Largest output that is taken from a container."""

    limit_sdist_bytes: Annotated[int, Field(ge=_MIB)] = 1 * _GIB
    """Largest sdist that is fetched."""

    disk_floor_bytes: Annotated[int, Field(ge=0)] = 1 * _GIB
    """Free disk space below which nothing new is written."""

    build_number: Annotated[int, Field(ge=1)] = 1
    """Number in the build tag of our wheels' file names; raise it to build everything anew."""

    log_format: Literal["auto", "text", "json"] = "auto"
    """Form of the service's own log; ``auto`` is text on a terminal and JSON lines elsewhere."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe entries that the service's own log has."""


class ClientSettings(BaseSettings):
    """How the command line reaches a Wheelyard."""

    model_config = SettingsConfigDict(
        env_prefix="WHEELYARD_", frozen=True, extra="ignore", use_attribute_docstrings=True
    )

    url: str | None = None
    """Address of the API. Default: the one that ``wheelyard up`` left in the state directory."""

    token: SecretStr | None = None
    """API token. Default: the first token, which ``wheelyard up`` left in the state directory."""


def load_settings() -> Settings:
    """Read the settings; raises SettingsInvalidError with every problem they have."""
    try:
        return Settings(_env_file=os.environ.get("WHEELYARD_ENV_FILE"))
    except ValidationError as error:
        problems = [f"WHEELYARD_{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors()]
        raise SettingsInvalidError(problems=problems) from error
