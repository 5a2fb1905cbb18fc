"""Which error ends the command line with which exit code: the one table. Must not print anything."""

from collections.abc import Iterator
from enum import IntEnum
from typing import Final

from wheelyard.errors import (
    ForbiddenError,
    NotYoursError,
    OperatorError,
    ProjectError,
    RecipeError,
    ServerUnreachableError,
    UnauthenticatedError,
    WheelyardError,
)

_FIRST_SERVER_ERROR: Final = 500
_UNAUTHORIZED: Final = 401


class ExitCode(IntEnum):
    """How a command ended."""

    OK = 0
    BUILD_FAILED = 1
    USAGE = 2
    CALLER = 3
    OPERATOR = 4
    UNAUTHENTICATED = 5
    RECIPE = 6
    INTERRUPTED = 130


MEANINGS: Final = {
    ExitCode.OK: "all is well",
    ExitCode.BUILD_FAILED: "the build failed or was cancelled",
    ExitCode.USAGE: "the command line is not of the documented form",
    ExitCode.CALLER: "the service refused the request: ask differently",
    ExitCode.OPERATOR: "the service, or something that it needs, is not available",
    ExitCode.UNAUTHENTICATED: "no valid token, or one without the scope that is needed",
    ExitCode.RECIPE: "a recipe or the catalogue of builders cannot be used",
    ExitCode.INTERRUPTED: "interrupted (Ctrl-C)",
}

# The first class that fits decides, so special cases stand before their parents.
_BY_CLASS: Final[tuple[tuple[type[WheelyardError], ExitCode], ...]] = (
    (UnauthenticatedError, ExitCode.UNAUTHENTICATED),
    (ForbiddenError, ExitCode.UNAUTHENTICATED),
    (NotYoursError, ExitCode.UNAUTHENTICATED),
    (ServerUnreachableError, ExitCode.OPERATOR),
    (ProjectError, ExitCode.BUILD_FAILED),
    (RecipeError, ExitCode.RECIPE),
    (OperatorError, ExitCode.OPERATOR),
    (WheelyardError, ExitCode.CALLER),
)


def exit_code_of(error: type[WheelyardError]) -> ExitCode:
    """Choose the exit code of an error's class."""
    return next(code for known, code in _BY_CLASS if issubclass(error, known))


def exit_code_of_problem(code: str, *, status: int) -> ExitCode:
    """Choose the exit code of a problem that the service reported; a code that is unknown here goes by its status."""
    known = {error.code: error for error in _descendants(WheelyardError)}
    if code in known:
        return exit_code_of(known[code])
    if status == _UNAUTHORIZED:
        return ExitCode.UNAUTHENTICATED
    return ExitCode.OPERATOR if status >= _FIRST_SERVER_ERROR else ExitCode.CALLER


def _descendants(parent: type[WheelyardError]) -> Iterator[type[WheelyardError]]:
    for child in parent.__subclasses__():
        yield child
        yield from _descendants(child)
