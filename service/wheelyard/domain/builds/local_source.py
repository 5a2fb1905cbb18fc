"""Folders and sdists that callers send from their own disks, and the versions of wheels of anything but a release.

What is sent is never a release: its wheel is a development version, marked with the hash of what was sent
(docs/decisions/0045).
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from packaging.version import Version

from wheelyard.domain.builds.file_source import FileOrigin
from wheelyard.domain.builds.git_source import GitOrigin, development_version, tagged_version, wheel_version

_SHOWN_DIGITS: Final = 12
_PATH: Final = re.compile(r"(?:[^@]{1,200}@\s+)?(?:\.{1,2}|\.{0,2}/.*|~/.*|[^:@\s]*/.*)", re.DOTALL)
_ARCHIVES: Final = (".tar.gz", ".zip", ".whl", ".tgz", ".tar.bz2", ".tar.xz", ".tar")


class LocalKind(StrEnum):
    """What was sent."""

    FOLDER = "folder"
    """A project's folder, packed: its sdist is made in a sandbox."""
    SDIST = "sdist"
    """An sdist as it was on the sender's disk."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalOrigin:
    """The folder or sdist that a build starts from, as its sender gave it."""

    kind: LocalKind
    name: str
    """The name of the folder or file, without its path."""
    sha256: str
    """The digest of the file that was sent."""
    size_bytes: int
    sent_by: str
    """The token, by name and id."""
    commit: str | None = None
    """The commit of git that the folder was, unchanged, as its sender says; nothing has verified it."""
    tag: str | None = None
    """The nearest tag of git before it, which gives the version of projects that ask git for it."""
    version: str | None = None
    """The version that the project gives itself; None until its sdist is made."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return what users must know of it: nothing."""
        return ()

    @property
    def mark(self) -> str:
        """Return what its wheel's version carries."""
        return f"l{self.sha256[:_SHOWN_DIGITS]}"

    def __str__(self) -> str:
        commit = f", commit {self.commit} as its sender says" if self.commit else ""
        return f"local {self.kind} {self.name} sha256={self.sha256}{commit}, sent by {self.sent_by}"


Origin = GitOrigin | LocalOrigin | FileOrigin
"""Where a build starts that is not of a release of an index."""


def version_of_wheel(made: Version, origin: Origin) -> Version:
    """Return the version of the wheel of a project that gives itself the version ``made``."""
    if isinstance(origin, GitOrigin):
        return wheel_version(made, origin)
    return development_version(made, origin.mark)


def stated_version(origin: Origin) -> Version | None:
    """Return the version in the origin's tag; None if there is none."""
    return tagged_version(origin.tag or "")


def is_local_path(text: str) -> bool:
    """Return whether a text means a folder or file of the caller's disk, as pip decides it, rather than a project.

    A name alone is a project, also if a folder has that name: ``./NAME`` is the folder.
    """
    return "://" not in text and (_PATH.fullmatch(text) is not None or text.endswith(_ARCHIVES))


def split_local(text: str) -> tuple[str | None, str]:
    """Return the project's name, if ``NAME @ PATH`` says it, and the path."""
    name, separator, path = text.partition("@ ")
    return (name.strip() or None, path.strip()) if separator else (None, text)
