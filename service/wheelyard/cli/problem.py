"""Problems that the command line reports, and their exit codes."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Self

from wheelyard.errors import (
    ForbiddenError,
    NotYoursError,
    OperatorError,
    ProjectError,
    PublishForbiddenError,
    RecipeError,
    ServerUnreachableError,
    UnauthenticatedError,
    UploadRefusedError,
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
    ExitCode.OK: "success",
    ExitCode.BUILD_FAILED: "the build failed or was cancelled",
    ExitCode.USAGE: "the command line is invalid",
    ExitCode.CALLER: "the service refused the request: correct it",
    ExitCode.OPERATOR: "the service, or something that it needs, is not available",
    ExitCode.UNAUTHENTICATED: "the token is missing, invalid, or lacks the scope",
    ExitCode.RECIPE: "a recipe or the catalogue of builders cannot be used",
    ExitCode.INTERRUPTED: "interrupted (Ctrl-C)",
}

# The first matching class decides, so special cases come before their parents.
_BY_CLASS: Final[tuple[tuple[type[WheelyardError], ExitCode], ...]] = (
    (UnauthenticatedError, ExitCode.UNAUTHENTICATED),
    (ForbiddenError, ExitCode.UNAUTHENTICATED),
    (NotYoursError, ExitCode.UNAUTHENTICATED),
    (PublishForbiddenError, ExitCode.UNAUTHENTICATED),
    (UploadRefusedError, ExitCode.BUILD_FAILED),
    (ServerUnreachableError, ExitCode.OPERATOR),
    (ProjectError, ExitCode.BUILD_FAILED),
    (RecipeError, ExitCode.RECIPE),
    (OperatorError, ExitCode.OPERATOR),
    (WheelyardError, ExitCode.CALLER),
)


def exit_code_of(error: type[WheelyardError]) -> ExitCode:
    """Return the exit code of an error's class."""
    return next(code for known, code in _BY_CLASS if issubclass(error, known))


def exit_code_of_problem(code: str, *, status: int) -> ExitCode:
    """Return the exit code of a problem that the service reported; an unknown code is judged by the HTTP status."""
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """An error as it is shown, whether it is raised here or reported by the service."""

    code: str
    """A stable code of ``wheelyard.errors``."""
    detail: str
    hint: str
    exit_code: ExitCode

    @classmethod
    def of(cls, error: WheelyardError) -> Self:
        """Return the problem of an error that was raised here."""
        return cls(code=error.code, detail=error.summary, hint=error.hint, exit_code=exit_code_of(type(error)))

    @classmethod
    def of_document(cls, document: object, *, status: int, reason: str) -> Self:
        """Return the problem of a problem document (RFC 9457); any other document is judged by its HTTP status."""
        fields = document if isinstance(document, dict) else {}
        code = str(fields.get("code") or f"http-{status}")
        return cls(
            code=code,
            detail=str(fields.get("detail") or fields.get("title") or f"The service answered {status} {reason}."),
            hint=str(fields.get("hint") or ""),
            exit_code=exit_code_of_problem(code, status=status),
        )

    def as_json(self) -> dict[str, dict[str, str | int]]:
        """Return the form that ``--json`` prints."""
        return {
            "error": {"code": self.code, "detail": self.detail, "hint": self.hint, "exit_code": int(self.exit_code)}
        }


class ProblemError(Exception):
    """The service answered a request with a problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem
