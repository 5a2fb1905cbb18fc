"""The places of recipes: folders of this host, and git repositories."""

import re
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath
from typing import Final, Self
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit, urlunsplit

from packaging.utils import NormalizedName, canonicalize_name

from wheelyard.domain.recipes.revision import RecipeRevision

_SCHEME: Final = re.compile(r"git\+(https|http|ssh|file)")
_LOGIN_SCHEMES: Final = frozenset({"http", "https"})
_REF: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]*")


@dataclass(frozen=True, kw_only=True, slots=True)
class GitSource:
    """A branch, tag or commit of a git repository."""

    url: str
    """The repository's URL for git, without the secrets that must not be in a command line."""
    ref: str
    """What to check out; ``HEAD`` is the default branch."""
    subdirectory: str
    """The folder of recipes in it; ``.`` is its root."""
    user: str = field(default="", repr=False)
    """User for HTTP; some hosts take a token here."""
    password: str = field(default="", repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse ``git+https://HOST/PATH@REF#subdirectory=FOLDER``, pip's form of VCS URLs; raise ValueError."""
        # No error repeats the URL, because it may contain a password.
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
        """Return the transport, such as ``https``."""
        return urlsplit(self.url).scheme

    def __str__(self) -> str:
        parts = urlsplit(self.url)
        host = parts.netloc.rpartition("@")[2]
        return f"{parts.scheme}://{host}{parts.path} at {self.ref}"


def _has_port(parts: SplitResult) -> bool:
    """Return whether the port is a number; part of a password with a slash would be parsed as a port."""
    try:
        return parts.port is None or parts.port > 0
    except ValueError:
        return False


RecipeSource = Path | GitSource


def parse_recipe_source(text: str) -> RecipeSource:
    """Parse a folder's path or a repository's URL; raise ValueError."""
    return GitSource.parse(text) if text.startswith("git+") else Path(text)


RECIPE_FILE: Final = "recipe.toml"
"""The recipe's own file, where a recipe is a folder."""


def project_of(file: PurePath) -> NormalizedName:
    """Return the project that a recipe's file is named after."""
    return canonicalize_name(name_of_file(file))


def name_of_file(file: PurePath) -> str:
    """Return the name of a recipe's file or folder, normalised or not."""
    return file.parent.name if file.name == RECIPE_FILE else file.stem


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceStatus:
    """The status of a place of recipes."""

    place: str
    """The folder, or the repository's URL without passwords."""
    commit: str | None = None
    """The commit in use; None for a folder."""
    problem: str = ""
    """Why it could not be read or updated; empty if it could."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RecipeStatus:
    """A project's recipe and its problems."""

    name: str
    source: str
    """The file, or the revision in the service's database."""
    text: str
    files: tuple[str, ...] = ()
    """Paths of its patches, scripts and test files."""
    problems: tuple[str, ...] = ()
    """All its problems; if there are any, the project is not built."""
    remarks: tuple[str, ...] = ()
    """Parts of it that have no effect; it can be used nevertheless."""
    revision: RecipeRevision | None = None
    """Its revision in the service's database; None for a recipe of a folder or a repository."""
    replaces: str = ""
    """The file of a folder or a repository that this revision replaces; empty if there is none."""
