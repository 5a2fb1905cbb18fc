"""Sources in git: how a repository, a ref and a folder are named, which hosts are allowed, and the wheel's version.

Everything here comes from callers. A URL, a ref or a path reaches git's command line only through these rules.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import SplitResult, parse_qs, urlsplit

from packaging.utils import NormalizedName
from packaging.version import Version

from wheelyard.domain.untrusted.file_names import read_project_name
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.domain.untrusted.versions import find_version, read_version
from wheelyard.errors import GitHostRefusedError, GitSourceInvalidError

DEFAULT_REF: Final = "HEAD"
_FORM: Final = "NAME @ git+https://HOST/PATH@REF#subdirectory=FOLDER"
_LONGEST_URL: Final = 500
_LONGEST_REF: Final = 200
_PORTS: Final = {"https": 443, "http": 80}
_HOST: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\]")
_PATH: Final = re.compile(r"(?:/[A-Za-z0-9_~][A-Za-z0-9._~+-]*)+/?")
_FOLDER: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+ -]*(?:/[A-Za-z0-9_][A-Za-z0-9._+ -]*)*")
_REF: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.+-]*)*")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_SHORT_COMMIT: Final = re.compile(r"[0-9a-f]{7,39}")
# A separator is in no word, so that there is one way to read a tag: its author must not choose how long it takes.
_TAGGED_VERSION: Final = re.compile(r"(?:[A-Za-z][A-Za-z0-9.]*[-_/]+)*v?([0-9].*)")
_SHOWN_DIGITS: Final = 12
_SHORTEST_MARK: Final = 7
"""Digits of a commit that backends write into a version."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GitRequest:
    """What a caller asks for: a commit, tag or branch of a repository."""

    url: str
    """The repository's address, without user, password, query and fragment."""
    ref: str = DEFAULT_REF
    subdirectory: str = ""
    """The folder of the project; empty for the root."""
    project: NormalizedName | None = None
    """The project's name, if the caller says it."""

    @classmethod
    def of(
        cls, *, url: str, ref: str | None = None, subdirectory: str | None = None, project: str | None = None
    ) -> Self:
        """Return a request, after checking each part; raise GitSourceInvalidError."""
        return cls(
            url=_read_url(url),
            ref=_read_ref(ref or DEFAULT_REF),
            subdirectory=_read_folder(subdirectory or ""),
            project=None if project is None else _read_project(project),
        )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse pip's form, ``[NAME @ ]git+https://HOST/PATH[@REF][#subdirectory=FOLDER]``.

        Raises GitSourceInvalidError.
        """
        name, separator, address = text.partition("@ ")
        if not separator:
            name, address = "", text
        address = address.strip()
        if len(address) > _LONGEST_URL or not address.isascii() or not address.startswith("git+"):
            raise GitSourceInvalidError(reason=f"it is not of the form {_FORM}")
        parts = _split(address.removeprefix("git+"))
        path, ref = parts.path, ""
        if "@" in path:
            path, _, ref = path.rpartition("@")
            if not ref:
                raise GitSourceInvalidError(reason="nothing is behind its @")
        said = parse_qs(parts.fragment, keep_blank_values=True, max_num_fields=8)
        names = [name.strip()] if name.strip() else said.get("egg", [])
        return cls.of(
            url=parts._replace(path=path, fragment="").geturl(),
            ref=ref or None,
            subdirectory=said.get("subdirectory", [""])[-1],
            project=names[-1] if names else None,
        )

    @property
    def commit(self) -> str | None:
        """Return the commit if the ref is one with all its digits."""
        return self.ref if _COMMIT.fullmatch(self.ref) else None

    @property
    def is_short_commit(self) -> bool:
        """Return whether the ref looks like the beginning of a commit."""
        return _SHORT_COMMIT.fullmatch(self.ref) is not None

    def __str__(self) -> str:
        ref = "" if self.ref == DEFAULT_REF else f"@{self.ref}"
        return f"git+{self.url}{ref}" + (f"#subdirectory={self.subdirectory}" if self.subdirectory else "")


def is_git_requirement(text: str) -> bool:
    """Return whether a text asks for a source in git, rather than for a release of an index."""
    return text.startswith("git+") or "@ git+" in text


@dataclass(frozen=True, kw_only=True, slots=True)
class GitOrigin:
    """The commit that a build starts from; fixed when the build is requested."""

    url: str
    ref: str
    """The ref as it was requested."""
    commit: str
    """The commit's id: 40 or 64 hexadecimal digits."""
    subdirectory: str = ""
    tag: str | None = None
    """The tag, if the ref is one."""
    moved_from: str | None = None
    """The commit that the tag had when it was built before; None if it did not move."""
    may_release: bool = False
    """True if the project is the organisation's own, so that a tag of its version is a release."""
    version: str | None = None
    """The version that the project gives itself; None until its sdist is made."""

    @property
    def keys(self) -> tuple[str, str]:
        """Return the source as a request with its ref and one with its commit name it."""
        return str(self.request()), str(self)

    def request(self, project: NormalizedName | None = None) -> GitRequest:
        """Return the request that it was found for."""
        return GitRequest(url=self.url, ref=self.ref, subdirectory=self.subdirectory, project=project)

    @property
    def short_commit(self) -> str:
        """Return the digits of the commit that are shown."""
        return self.commit[:_SHOWN_DIGITS]

    def is_same(self, other: "GitOrigin") -> bool:
        """Return whether it is the same folder of the same commit, however it was named."""
        mine, theirs = (self.url, self.commit, self.subdirectory), (other.url, other.commit, other.subdirectory)
        return mine == theirs

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return what users must know of it, one sentence each."""
        if self.moved_from is None:
            return ()
        was, now = self.moved_from[:_SHOWN_DIGITS], self.commit[:_SHOWN_DIGITS]
        return (f"The tag {self.tag} of {self.url} was commit {was} when it was built before, and is {now} now.",)

    def __str__(self) -> str:
        return f"git+{self.url}@{self.commit}" + (f"#subdirectory={self.subdirectory}" if self.subdirectory else "")


@dataclass(frozen=True, slots=True)
class GitHosts:
    """The hosts, or folders of hosts, that the operator lists; no other one is ever asked."""

    origins: tuple[str, ...] = ()
    """Such as ``https://git.example``, ``https://github.com/acme`` and ``http://127.0.0.1:8080``."""

    @classmethod
    def of(cls, entries: Sequence[str]) -> Self:
        """Parse entries ``HOST``, ``HOST/FOLDER``, ``HOST:PORT`` and ``http://HOST:PORT``; raise ValueError."""
        return cls(tuple(map(_read_host, entries)))

    def check(self, url: str) -> None:
        """Raise GitHostRefusedError if the URL's host is not listed."""
        if not self.allow(url):
            raise GitHostRefusedError(url=url, entry=entry_of(url), allowed=self.origins)

    def allow(self, url: str) -> bool:
        """Return whether the URL's scheme, host and port are listed, with a folder that it is in."""
        address = f"{_origin(url)}{_split(url).path}"
        return any(address.startswith(f"{one}/") for one in self.origins)


def wheel_version(made: Version, origin: GitOrigin) -> Version:
    """Return the version of the wheel of a commit, which never shadows a release.

    A local version alone would: installers prefer ``6.1+g0123`` to ``6.1``, also for ``==6.1``. So it becomes a
    development release, which they only choose if it is asked for, with the commit in its local part. The tag of an own
    project's version is its release, and keeps it (docs/decisions/0042).
    """
    if origin.may_release and origin.tag is not None and tagged_version(origin.tag) == made:
        return made
    return development_version(made, f"g{origin.commit[:_SHOWN_DIGITS]}")


def development_version(made: Version, mark: str) -> Version:
    """Return a version as a development release with a mark in its local part, unless its first digits are there."""
    public = made.public if made.is_devrelease else f"{made.public}.dev0"
    has_mark = made.local is not None and mark[: _SHORTEST_MARK + 1] in made.local
    local = made.local if has_mark else ".".join(filter(None, (made.local, mark)))
    return read_version(f"{public}+{local}")


def may_be_of(version: Version, origin: GitOrigin) -> bool:
    """Return whether a wheel with this version may have been made from a commit; see ``wheel_version``."""
    if origin.may_release and origin.tag is not None and tagged_version(origin.tag) == version:
        return True
    return version.local is not None and f"g{origin.commit[:_SHORTEST_MARK]}" in version.local


def tagged_version(tag: str) -> Version | None:
    """Return the version in a tag such as ``v1.2``, ``1.2`` or ``demo-1.2``; None if there is none."""
    match = _TAGGED_VERSION.fullmatch(tag)
    return None if match is None else find_version(match[1])


def relative_url(base: str, url: str) -> str:
    """Return the address of a submodule, which may be relative to its repository's; raise GitSourceInvalidError."""
    if not url.startswith(("./", "../")):
        return _read_url(url)
    parts = _split(base)
    folders = parts.path.rstrip("/").split("/")
    while url.startswith(("./", "../")):
        if url.startswith("../"):
            if len(folders) <= 1:
                raise GitSourceInvalidError(reason="a submodule's address leads out of its host")
            folders.pop()
        url = url.partition("/")[2]
    return _read_url(parts._replace(path="/".join([*folders, url])).geturl())


def is_commit(text: str) -> bool:
    """Return whether a text is the id of a commit, with all its digits."""
    return _COMMIT.fullmatch(text) is not None


def is_ref(text: str) -> bool:
    """Return whether a text can be the name of a commit, tag or branch."""
    # Further rules of git: https://git-scm.com/docs/git-check-ref-format
    is_plain = len(text) <= _LONGEST_REF and _REF.fullmatch(text) is not None
    return is_plain and ".." not in text and not any(part.endswith((".", ".lock")) for part in text.split("/"))


def _read_url(text: str) -> str:
    if len(text) > _LONGEST_URL or not text.isascii():
        raise GitSourceInvalidError(reason=f"its address is longer than {_LONGEST_URL} characters, or not ASCII")
    parts = _split(text)
    if parts.scheme not in _PORTS:
        raise GitSourceInvalidError(reason=f"{parts.scheme or 'nothing'} is no transport that is used; https is")
    if "@" in parts.netloc:
        raise GitSourceInvalidError(reason="its address has a user or password, which would be in logs and records")
    if parts.query or parts.fragment or "?" in text or "#" in text:
        raise GitSourceInvalidError(reason="its address has a query or a fragment")
    if _HOST.fullmatch(_host_of(text)) is None or _PATH.fullmatch(parts.path) is None:
        raise GitSourceInvalidError(reason="its address is not of the form https://HOST/PATH")
    return f"{_origin(text)}{parts.path.rstrip('/')}"


def _split(text: str) -> SplitResult:
    try:
        return urlsplit(text)
    except ValueError as error:
        raise GitSourceInvalidError(reason=f"its address cannot be read ({error})") from error


def _host_of(url: str) -> str:
    parts = _split(url)
    host = parts.hostname or ""
    return f"[{host}]" if ":" in host else host


def _origin(url: str) -> str:
    """Return scheme, host and port in one form, so that equal ones are equal."""
    parts = _split(url)
    try:
        port = parts.port
    except ValueError as error:
        raise GitSourceInvalidError(reason="the port of its address is no number") from error
    shown = "" if port in {None, _PORTS.get(parts.scheme)} else f":{port}"
    return f"{parts.scheme}://{_host_of(url)}{shown}"


def entry_of(url: str) -> str:
    """Return the entry of an operator's list that allows a URL's host; raise GitSourceInvalidError."""
    return _origin(url).removeprefix("https://")


def _read_host(entry: str) -> str:
    url = entry if "://" in entry else f"https://{entry}"
    try:
        return _read_url(f"{url.rstrip('/')}/x").removesuffix("/x")
    except GitSourceInvalidError as error:
        raise ValueError(f"{entry!r} is not HOST, HOST/FOLDER, HOST:PORT or http://HOST:PORT") from error


def _read_ref(text: str) -> str:
    if not is_ref(text):
        raise GitSourceInvalidError(reason=f"{text[:80]!r} is not the name of a commit, tag or branch")
    return text


def _read_folder(text: str) -> str:
    folder = text.strip("/") if not text.startswith("/") else text
    if folder in {"", "."}:
        return ""
    if len(folder) > _LONGEST_REF or _FOLDER.fullmatch(folder) is None:
        raise GitSourceInvalidError(reason=f"{text[:80]!r} is not a folder inside of the repository")
    return folder


def _read_project(text: str) -> NormalizedName:
    try:
        return read_project_name(text)
    except RefusedTextError as error:
        raise GitSourceInvalidError(reason=str(error)) from error
