"""Where recipes are kept: folders of this host and branches of git repositories. Must not read or fetch any."""

import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final, Self
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit, urlunsplit

_SCHEME: Final = re.compile(r"git\+(https|http|ssh|file)")
_LOGIN_SCHEMES: Final = frozenset({"http", "https"})
_REF: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]*")


@dataclass(frozen=True, kw_only=True, slots=True)
class GitSource:
    """A branch, tag or commit of a git repository."""

    url: str
    """The repository, as git takes it, without what must not be seen in command lines."""
    ref: str
    """What is checked out; ``HEAD`` is the repository's default branch."""
    subdirectory: str
    """The folder of recipes in it; ``.`` is its root."""
    user: str = field(default="", repr=False)
    """Whom to log in as over HTTP; some hosts take a token here."""
    password: str = field(default="", repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``git+https://HOST/PATH@REF#subdirectory=FOLDER``, as pip writes it; raises ValueError."""
        # It may hold a password, so no error repeats it.
        parts = urlsplit(text)
        path, _, ref = parts.path.partition("@")
        if _SCHEME.fullmatch(parts.scheme) is None or not path.strip("/") or not _has_port(parts):
            raise ValueError("an address is not of the form git+https://HOST/PATH@REF#subdirectory=FOLDER")
        if ref and (_REF.fullmatch(ref) is None or ".." in ref):
            raise ValueError("the address of a git repository names no branch, tag or commit after its @")
        folder = PurePosixPath(parse_qs(parts.fragment).get("subdirectory", ["."])[-1])
        if folder.is_absolute() or ".." in folder.parts:
            raise ValueError("the address of a git repository names a folder outside of its repository")
        scheme = parts.scheme.removeprefix("git+")
        if scheme not in _LOGIN_SCHEMES and parts.password is not None:
            raise ValueError(f"git takes no password in the address of a repository over {scheme}")
        logs_in = scheme in _LOGIN_SCHEMES
        netloc = parts.netloc.rpartition("@")[2] if logs_in else parts.netloc
        return cls(
            url=urlunsplit((scheme, netloc, path, "", "")),
            ref=ref or "HEAD",
            subdirectory=str(folder),
            user=unquote(parts.username or "") if logs_in else "",
            password=unquote(parts.password or "") if logs_in else "",
        )

    @property
    def scheme(self) -> str:
        """The transport, such as ``https``."""
        return urlsplit(self.url).scheme

    def __str__(self) -> str:
        parts = urlsplit(self.url)
        host = parts.netloc.rpartition("@")[2]
        return f"{parts.scheme}://{host}{parts.path} at {self.ref}"


def _has_port(parts: SplitResult) -> bool:
    """Tell whether what stands for a port is one; a password with a slash in it would stand there."""
    try:
        return parts.port is None or parts.port > 0
    except ValueError:
        return False


RecipeSource = Path | GitSource


def parse_recipe_source(text: str) -> RecipeSource:
    """Read a folder's path or a repository's address; raises ValueError."""
    return GitSource.parse(text) if text.startswith("git+") else Path(text)


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceStatus:
    """A place of recipes, and what is known of it."""

    place: str
    """The folder, or the repository without passwords."""
    commit: str | None = None
    """The commit that is in use; None for a folder."""
    problem: str = ""
    """Why it could not be read or brought up to date; empty if it could."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RecipeStatus:
    """A project's recipe as it is written, and whether it can be used."""

    name: str
    source: str
    """The file."""
    text: str
    files: tuple[str, ...] = ()
    """Paths of its patches, scripts and test files."""
    problems: tuple[str, ...] = ()
    """Everything that is wrong with it; with any, nothing of the project is built."""
    remarks: tuple[str, ...] = ()
    """What it says that never has an effect; it can be used nevertheless."""
