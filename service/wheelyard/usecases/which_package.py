"""Say which packages of a suite hold a file."""

from dataclasses import dataclass

from wheelyard.domain.catalogue.archive_files import PackageFile, WantedFile, infer_wanted
from wheelyard.errors import InvalidRequestError
from wheelyard.interfaces import SuiteArchives


@dataclass(frozen=True, kw_only=True, slots=True)
class FileHolders:
    """The packages that hold a file."""

    wanted: WantedFile
    """What the name was read as."""
    packages: tuple[PackageFile, ...]
    """Best first; empty if none holds it."""


async def find_holders(archives: SuiteArchives, suite: str, architecture: str, text: str) -> FileHolders:
    """Return the packages that hold what a person means by a name, such as ``fftw3.h`` or ``mecab-config``.

    Raise InvalidRequestError for an empty name, and what ``SuiteArchives.find`` raises.
    """
    likely = infer_wanted(text)
    if not likely:
        raise InvalidRequestError(problems=["file: it names no file"])
    for wanted in likely:
        packages = await archives.find(suite, architecture, wanted)
        if packages:
            return FileHolders(wanted=wanted, packages=packages)
    return FileHolders(wanted=likely[0], packages=())
