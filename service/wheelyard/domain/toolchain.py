"""Toolchains: compilers beyond C and C++ that a recipe can ask for, each with an optional version floor."""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from packaging.version import Version

from wheelyard.domain.untrusted.versions import read_version

_NEED: Final = re.compile(r"(?P<name>[a-z]+)(?:\s*>=\s*(?P<floor>\d+(?:\.\d+)*))?")


class ToolchainName(StrEnum):
    """All known toolchains."""

    BAZEL = "bazel"
    FORTRAN = "fortran"
    JAVA = "java"
    RUST = "rust"


@dataclass(frozen=True, kw_only=True, slots=True)
class ToolchainNeed:
    """A toolchain that a project needs, such as ``rust>=1.85``."""

    name: ToolchainName
    floor: Version | None = None
    """The oldest acceptable version; None for any."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse ``NAME`` or ``NAME>=VERSION``; raise ValueError."""
        match = _NEED.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"{text!r} is not a toolchain with an optional floor, such as 'rust>=1.85'")
        floor = read_version(match["floor"]) if match["floor"] else None
        return cls(name=_known_name(match["name"]), floor=floor)

    def __str__(self) -> str:
        return f"{self.name.value}>={self.floor}" if self.floor else self.name.value

    def is_met_by(self, version: Version) -> bool:
        """Return whether this version of the toolchain is acceptable."""
        return self.floor is None or version >= self.floor


def merge_needs(needs: Iterable[ToolchainNeed]) -> tuple[ToolchainNeed, ...]:
    """Return the highest floor of each toolchain, sorted, so that equal needs give equal images."""
    highest: dict[ToolchainName, ToolchainNeed] = {}
    for need in needs:
        held = highest.setdefault(need.name, need)
        if need.floor is not None and (held.floor is None or need.floor > held.floor):
            highest[need.name] = need
    return tuple(highest[name] for name in sorted(highest))


def _known_name(text: str) -> ToolchainName:
    known = [name.value for name in ToolchainName]
    if text in known:
        return ToolchainName(text)
    nearest = difflib.get_close_matches(text, known, n=1)
    raise ValueError(
        f"unknown toolchain {text!r}, "
        + (f"did you mean {nearest[0]!r}?" if nearest else f"not one of {', '.join(known)}")
    )
