"""What others made and a wheel carries, and the source packages that it was made from."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class ComponentKind(StrEnum):
    """How a component came into a wheel."""

    GRAFTED = "grafted"
    """Repair copied its shared libraries."""
    STATIC = "static"
    """The linker took members of its archives."""
    CRATE = "crate"
    """rustc linked it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Component:
    """A package or crate that others made, in one version."""

    kind: ComponentKind
    name: str
    version: str
    """Empty for a file that no package owns."""
    purl: str
    """Package URL: https://github.com/package-url/purl-spec."""
    license: str | None
    """SPDX expression; None if it is not known, as of a copyright file that is not machine-readable."""
    license_files: tuple[str, ...] = ()
    """Paths below ``.dist-info/licenses/``."""
    source: str | None = None
    """The name of its source package; None for a crate."""
    source_version: str | None = None
    sha256: str | None = None
    """Digest of a crate's file, or of a file that no package owns."""
    files: tuple[str, ...] = ()
    """Paths of grafted libraries in the wheel, or of the builder's archives that were linked statically."""

    @property
    def place(self) -> str:
        """Return where it comes from, in words."""
        if self.kind is ComponentKind.CRATE:
            return f"the crate {self.name} {self.version}"
        named = f"{self.name} {self.version}".rstrip()
        source = f", of the source package {self.source} {self.source_version or ''}".rstrip() if self.source else ""
        owner = named if self.version else f"{self.name}, which no package owns"
        return f"{owner}{source}"


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageSourceFile:
    """A file of a source package."""

    name: str
    url: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class SourcePackage:
    """A source package in one version, with its files as the signed archive index named them."""

    name: str
    version: str
    files: tuple[PackageSourceFile, ...] = ()
    """Empty if the index did not have this version when the wheel was made."""


def source_names(components: Iterable[Component]) -> tuple[tuple[str, str], ...]:
    """Return name and version of each component's source package, once, sorted."""
    named = {(one.source, one.source_version) for one in components if one.source and one.source_version}
    return tuple(sorted((name, version) for name, version in named if name and version))
