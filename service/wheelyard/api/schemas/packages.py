"""Models of the packages of suites' archives."""

from typing import Self

from wheelyard.api.schemas.base import View
from wheelyard.usecases.which_package import FileHolders


class PackageFileView(View):
    """A package that holds the file."""

    package: str
    """Name of the package."""
    version: str
    """Its newest version in the archive."""
    path: str
    """Path of the file from the root, without the leading slash."""
    installed_bytes: int
    """Size of the installed package without its dependencies; 0 if the archive does not say."""
    reason: str
    """Why it is at this place of the list."""


class FilePackagesView(View):
    """The packages of a suite's archive that hold a file."""

    suite: str
    """Name of the suite."""
    architecture: str
    """Architecture of the packages."""
    kind: str
    """What the name was read as: `header`, `library`, `soname`, `pkg-config`, `program`, `cmake` or `any`."""
    name: str
    """The name without what the kind says, such as `smbclient` for `smbclient.pc`."""
    packages: tuple[PackageFileView, ...]
    """Best first; empty if no package holds it."""

    @classmethod
    def of(cls, found: FileHolders, *, suite: str, architecture: str) -> Self:
        """Return the view of the packages."""
        return cls(
            suite=suite,
            architecture=architecture,
            kind=found.wanted.kind,
            name=found.wanted.name,
            packages=tuple(PackageFileView.model_validate(one) for one in found.packages),
        )
