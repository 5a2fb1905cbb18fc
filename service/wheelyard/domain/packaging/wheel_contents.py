"""The contents of a wheel: the paths and sizes of its first files."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self
from zipfile import ZipInfo

MOST_MEMBERS: Final = 2000
_LONGEST_PATH: Final = 400


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """A file in a wheel."""

    path: str
    size_bytes: int
    """Size when unpacked."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WheelContents:
    """The files of a wheel."""

    members: tuple[Member, ...]
    """The first files, sorted by path."""
    total: int
    """Number of all files."""
    size_bytes: int
    """Size of all files, unpacked."""

    @classmethod
    def of(cls, infos: Iterable[ZipInfo]) -> Self:
        """Return the contents that a wheel's ZIP directory lists."""
        files = sorted((_storable(info.filename), info.file_size) for info in infos if not info.is_dir())
        members = tuple(Member(path=path, size_bytes=size) for path, size in files[:MOST_MEMBERS])
        return cls(members=members, total=len(files), size_bytes=sum(size for _, size in files))


def _storable(path: str) -> str:
    """Replace characters that no database text can hold."""
    return path[:_LONGEST_PATH].replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
