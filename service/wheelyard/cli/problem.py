"""What the command line reports when something cannot be done, wherever it went wrong. Must not print it."""

from dataclasses import dataclass
from typing import Self

from wheelyard.cli.exit_codes import ExitCode, exit_code_of, exit_code_of_problem
from wheelyard.errors import WheelyardError


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """An error as it is shown: the same for our own errors and for the service's."""

    code: str
    """A stable code of ``wheelyard.errors``."""
    detail: str
    hint: str
    exit_code: ExitCode

    @classmethod
    def of(cls, error: WheelyardError) -> Self:
        """Show an error of our own."""
        return cls(code=error.code, detail=error.summary, hint=error.hint, exit_code=exit_code_of(type(error)))

    @classmethod
    def of_document(cls, document: object, *, status: int, reason: str) -> Self:
        """Show a problem document (RFC 9457); what is no such document becomes a problem by its HTTP status."""
        fields = document if isinstance(document, dict) else {}
        code = str(fields.get("code") or f"http-{status}")
        return cls(
            code=code,
            detail=str(fields.get("detail") or fields.get("title") or f"The service answered {status} {reason}."),
            hint=str(fields.get("hint") or ""),
            exit_code=exit_code_of_problem(code, status=status),
        )

    def as_json(self) -> dict[str, dict[str, str | int]]:
        """Give the form that ``--json`` prints."""
        return {
            "error": {"code": self.code, "detail": self.detail, "hint": self.hint, "exit_code": int(self.exit_code)}
        }


class ProblemError(Exception):
    """The service answered a request with a problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem
