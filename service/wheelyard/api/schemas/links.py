"""The addresses of our index, as whoever sent a request reaches it. Must not know requests: see index_access."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

TOKEN_USER: Final = "__token__"  # noqa: S105  (a user's name)
"""Whose password is a token, as on other indexes."""
_THIS_HOST: Final = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexLinks:
    """Makes addresses for answers."""

    base: str
    """Address of the API, without a slash at the end."""
    is_open: bool
    """True if the caller can read the index without a token."""

    def simple(self, *, staged: bool = False) -> str:
        """Give the address for ``--index-url``."""
        return f"{self.base}{'/staging' if staged else ''}/simple/"

    def file(self, filename: str) -> str:
        """Give the address of a wheel's bytes."""
        return f"{self.base}/files/{filename}"

    @property
    def trusted_host(self) -> str | None:
        """Name the host that pip has to be told to trust: one without TLS that is not this one."""
        host = urlsplit(self.base).hostname
        return None if self.base.startswith("https:") or host in _THIS_HOST else host

    def install_command(self, release: str, *, staged: bool = False) -> str:
        """Write the line that installs a release; a token is named as the shell's variable, never shown."""
        url = self.simple(staged=staged)
        trust = ["--trusted-host", self.trusted_host] if self.trusted_host else []
        if not self.is_open:
            url = f'"{url.replace("://", f"://{TOKEN_USER}:$WHEELYARD_TOKEN@", 1)}"'
        return " ".join(["pip", "install", "--only-binary", ":all:", *trust, "--index-url", url, release])
