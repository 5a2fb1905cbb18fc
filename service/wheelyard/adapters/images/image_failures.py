"""Why an image could not be made: what the package manager says, as the error that tells who can act.

The package manager offers no data here, only text; its phrases are those of apt and dpkg in the C locale. Must not run
anything.
"""

import re
from typing import Final

from wheelyard.errors import (
    DiskFullError,
    ImageBuildFailedError,
    MirrorUnreachableError,
    OperatorError,
    SuiteUnavailableError,
)

_DISK_FULL: Final = re.compile(r"No space left on device|don't have enough free space|IO Error saving", re.IGNORECASE)
_QUOTA: Final = re.compile(r"Disk quota exceeded", re.IGNORECASE)
_SUITE_GONE: Final = re.compile(r"does not have a Release file|no longer has a Release file")
# Of apt, dnf and apk, in this order.
_UNKNOWN_PACKAGES: Final = (
    re.compile(r"^E: Unable to locate package ([\w.+:-]{1,100})$", re.MULTILINE),
    re.compile(r"^E: Package '([\w.+:-]{1,100})' has no installation candidate", re.MULTILINE),
    re.compile(r"^No match for argument: ([\w.+:-]{1,100})$", re.MULTILINE),
    re.compile(r"^\s*([\w.+:-]{1,100}) \(no such package\)", re.MULTILINE),
)
_UNREACHABLE: Final = re.compile(
    r"Could not connect to|Unable to connect to|Could not resolve|Temporary failure resolving|Connection timed out"
    r"|Connection refused|Could not wait for server fd|Cannot initiate the connection"
)


def explain_failure(output: str, *, image: str, suite: str) -> OperatorError:
    """Turn the end of a failed bootstrap's or build's output into the error that it means."""
    if _DISK_FULL.search(output):
        return DiskFullError(path=f"the place where {image} is made", free_bytes=None)
    if _QUOTA.search(output):
        return DiskFullError(
            path=f"the place where {image} is made", free_bytes=None, quota_of="that the engine runs as"
        )
    # apt ends with the lack of a Release file also if nobody answers, so that is asked first.
    if found := _line_with(_UNREACHABLE, output):
        return MirrorUnreachableError(suite=suite, excerpt=found)
    if found := _line_with(_SUITE_GONE, output):
        return SuiteUnavailableError(suite=suite, excerpt=found)
    return ImageBuildFailedError(image=image, excerpt=output)


def find_unknown_packages(output: str) -> tuple[str, ...]:
    """Name the packages that a package manager does not know."""
    return tuple(dict.fromkeys(name for pattern in _UNKNOWN_PACKAGES for name in pattern.findall(output)))


def _line_with(pattern: re.Pattern[str], output: str) -> str | None:
    return next((line.strip() for line in output.splitlines() if pattern.search(line)), None)
