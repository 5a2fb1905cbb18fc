"""What an operator can say about how images are made. Must not act on any of it."""

import hashlib
import platform
from dataclasses import dataclass, field
from pathlib import Path

from uv import find_uv_bin

from wheelyard.errors import SettingsInvalidError
from wheelyard.metrics import CacheLookups


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageOptions:
    """How images are made on this host."""

    lock_dir: Path
    """Directory of the locks that keep two workers of one host from building the same image twice."""
    architecture: str = platform.machine()
    """The engine's machine, such as ``x86_64``."""
    apt_mirror: str | None = None
    """Package mirror, for the bootstrap and inside the images. Default: the distribution's own."""
    apt_security_mirror: str | None = None
    """Mirror of the security archive. Default: ``apt_mirror`` with ``-security`` after it, as mirrors have it."""
    base_image: str | None = None
    """Registry image to start from, with ``{suite}`` in it, or one for each suite: ``bookworm=debian@sha256:…`` and so
    on. Default: none, bases are bootstrapped."""
    ca_bundle: Path | None = None
    """PEM certificates to trust, here and in the images."""
    proxy: str | None = None
    """HTTP proxy for package managers in image builds; it does not stay in the images."""
    build_network: str | None = None
    """Network of image builds, such as ``host``. Default: the engine's."""
    index_url: str | None = None
    """Simple API that the tools' wheels come from. Default: the one that uv is configured for."""
    uv_program: str = field(default_factory=find_uv_bin)
    """Path of uv. Default: the one that is installed with Wheelyard."""
    mmdebstrap_program: str = "mmdebstrap"
    """Path of mmdebstrap."""
    timeout_seconds: float = 30.0
    """How long a mirror may stay silent."""
    disk_floor_bytes: int = 1 << 30
    """Free disk space that downloads never use up."""
    lookups: CacheLookups = field(default_factory=CacheLookups, compare=False)
    """Counts images that were found, and those that had to be made."""

    def definition(self) -> tuple[tuple[str, str], ...]:
        """List what changes an image's content, for its definition; blocks while it reads the CA bundle."""
        bundle = hashlib.sha256(self.ca_bundle.read_bytes()).hexdigest() if self.ca_bundle else ""
        return (
            ("apt-mirror", self.apt_mirror or ""),
            ("apt-security-mirror", self.apt_security_mirror or ""),
            ("base-image", self.base_image or ""),
            ("ca-bundle", bundle),
        )

    def base_image_of(self, suite: str) -> str | None:
        """Return the registry image that a suite starts from, None if bases are bootstrapped.

        Raises:
            SettingsInvalidError: Images are named for other suites only.
        """
        text = self.base_image or ""
        if "=" not in text:
            return text.format(suite=suite) or None
        named = dict(word.split("=", 1) for word in text.split() if "=" in word)
        if suite not in named:
            raise SettingsInvalidError(problems=[f"WHEELYARD_BASE_IMAGE names no image for {suite}"])
        return named[suite]

    def proxy_args(self) -> tuple[str, ...]:
        """Give the proxy as build arguments that engines keep out of an image's history."""
        if self.proxy is None:
            return ()
        names = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")
        return tuple(part for name in names for part in ("--build-arg", f"{name}={self.proxy}"))
