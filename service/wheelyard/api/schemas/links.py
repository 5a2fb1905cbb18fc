"""URLs of the index as a caller reaches them; ``index_access`` creates them from a request."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

TOKEN_USER: Final = "__token__"  # noqa: S105  (a user's name)
"""User name for HTTP Basic authentication with a token as the password, as on other indexes."""
_THIS_HOST: Final = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexLinks:
    """The URLs of the index in responses."""

    base: str
    """URL of the API, without a final slash."""
    is_open: bool
    """True if the caller can read the index without a token."""

    def simple(self, *, staged: bool = False) -> str:
        """Return the URL for ``--index-url``."""
        return f"{self.base}{'/staging' if staged else ''}/simple/"

    def file(self, filename: str) -> str:
        """Return the URL of a wheel."""
        return f"{self.base}/files/{filename}"

    @property
    def trusted_host(self) -> str | None:
        """Return the host for pip's ``--trusted-host``: one without TLS that is not this host; else None."""
        host = urlsplit(self.base).hostname
        return None if self.base.startswith("https:") or host in _THIS_HOST else host

    def install_command(self, release: str, *, staged: bool = False) -> str:
        """Return the command that installs a release; it contains a shell variable instead of the token."""
        url = self.simple(staged=staged)
        trust = ["--trusted-host", self.trusted_host] if self.trusted_host else []
        if not self.is_open:
            url = f'"{url.replace("://", f"://{TOKEN_USER}:$WHEELYARD_TOKEN@", 1)}"'
        return " ".join(["pip", "install", "--only-binary", ":all:", *trust, "--index-url", url, release])
