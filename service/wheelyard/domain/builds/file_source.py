"""Sdists and wheels at addresses: which hosts are asked for them, and what a build of such a file starts from.

The file comes from no index, so its wheel is a development version: whoever writes a line of a requirements file must
not replace a release for all others (docs/decisions/0049).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self
from urllib.parse import SplitResult, unquote, urlsplit

from wheelyard.domain.builds.git_source import GitHosts, entry_of
from wheelyard.errors import FileHostRefusedError, GitSourceInvalidError

ADDRESS_SCHEME: Final = "address"
"""Scheme of the URLs of such files, before the address: they are fetched by these rules only."""
_LONGEST: Final = 2000
_PLAIN: Final = re.compile(r"[\x21-\x5b\x5d-\x7e]+")
_HOST: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|[0-9a-f:]+")
_SHOWN_DIGITS: Final = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class FileOrigin:
    """The sdist or wheel at an address that a build starts from."""

    address: str
    name: str
    """Its file name."""
    sha256: str
    version: str
    """The version in its name."""
    size_bytes: int | None = None
    requires_python: str | None = None
    """The Pythons that its metadata allows."""

    @property
    def url(self) -> str:
        """Return the URL that it is fetched by."""
        return f"{ADDRESS_SCHEME}:{self.address}"

    @property
    def is_wheel(self) -> bool:
        """Return whether it is a wheel, and not an sdist."""
        return self.name.endswith(".whl")

    @property
    def mark(self) -> str:
        """Return what its wheel's version carries."""
        return f"f{self.sha256[:_SHOWN_DIGITS]}"

    @property
    def key(self) -> str:
        """Return the hash as requirements and locks write it."""
        return f"sha256:{self.sha256}"

    @property
    def tag(self) -> None:
        """Return nothing: no ref leads to it."""
        return

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return what users must know of it: nothing."""
        return ()

    def __str__(self) -> str:
        return f"{self.address} sha256={self.sha256}"


@dataclass(frozen=True, slots=True)
class FileHosts:
    """The hosts, or folders of hosts, that files are fetched from; no other one is ever asked."""

    listed: GitHosts = field(default_factory=GitHosts)

    @classmethod
    def of(cls, entries: Sequence[str]) -> Self:
        """Parse entries as ``GitHosts.of`` does; raise ValueError."""
        return cls(GitHosts.of(entries))

    def check(self, address: str, *, redirected: bool = False) -> str:
        """Return the address in the form that is asked for.

        A redirect may have a query, which other addresses may not: it would be in records, and it may be a password.

        Raises:
            FileHostRefusedError: its host is not listed, or it can be read in more than one way.
        """
        try:
            parts = urlsplit(address)
            entry = entry_of(address)
            reason = _why_not(parts, address, redirected=redirected)
            if not reason and not self.listed.allow(address):
                raise FileHostRefusedError(address=_shown(parts), entry=entry, redirected=redirected)
        except (ValueError, GitSourceInvalidError) as error:
            reason = f"it cannot be read ({error})"
        if reason:
            raise FileHostRefusedError(address=address.partition("?")[0][:200], reason=reason, redirected=redirected)
        return parts._replace(fragment="").geturl()


def _why_not(parts: SplitResult, address: str, *, redirected: bool) -> str:
    """Return why an address is not used whatever its host is; empty if nothing is wrong with it."""
    plain = unquote(parts.path)
    # A server may take these for the way into another folder than the listed one.
    leads_elsewhere = (
        plain.count("/") != parts.path.count("/") or "\\" in plain or bool({".", ".."} & set(plain.split("/")))
    )
    rules = (
        (
            len(address) > _LONGEST or _PLAIN.fullmatch(address) is None,
            f"it has more than {_LONGEST} characters, or other ones than those of addresses",
        ),
        (parts.scheme not in {"https", "http"}, f"{parts.scheme[:20] or 'nothing'} is no transport that is used"),
        ("@" in parts.netloc, "it has a user or password, which would be in logs and records"),
        (bool(parts.query) and not redirected, "it has a query, which would be in logs and records"),
        (_HOST.fullmatch(parts.hostname or "") is None, "it has no plain host name"),
        (leads_elsewhere, "its path leads elsewhere"),
    )
    return next((reason for is_broken, reason in rules if is_broken), "")


def _shown(parts: SplitResult) -> str:
    return parts._replace(query="", fragment="").geturl()[:200]
