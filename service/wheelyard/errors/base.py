"""The base class of all errors, and its four kinds by who can act."""

from collections.abc import Sequence
from typing import ClassVar, Final

_MOST_PLACES: Final = 5
_LONGEST_REASON: Final = 300


class WheelyardError(Exception):
    """An error with a stable code, a summary of what went wrong and a hint at what to do next."""

    code: ClassVar[str] = "internal-error"
    retryable: ClassVar[bool] = False
    proofs: Sequence[tuple[str, str]] = ()
    """Each target that a brought wheel was tried on, with why it failed there; empty text for a success."""

    def __init__(self, summary: str, hint: str = "") -> None:
        super().__init__(summary)
        self.summary = summary
        self.hint = hint

    def add_place(self, place: str) -> None:
        """Begin the summary with where it happened, such as the target of several on which a proof failed."""
        self.summary = f"On {place}: {self.summary}"

    def add_others(self, others: Sequence[tuple[str, str]]) -> None:
        """End the summary with more places on which it failed, and why."""
        shown = [f"On {place}: {reason[:_LONGEST_REASON]}" for place, reason in others[:_MOST_PLACES]]
        more = len(others) - len(shown)
        rest = [f"It fails on {more} more."] if more > 0 else []
        self.summary = " ".join([self.summary, *shown, *rest])

    def __str__(self) -> str:
        return f"{self.summary} {self.hint}".strip()

    def __reduce__(self) -> tuple[object, ...]:
        # Constructors take keywords, and parsers in other processes raise these errors, too.
        return _restore_error, (type(self), self.args), self.__dict__


def _restore_error(kind: type[WheelyardError], args: tuple[object, ...]) -> WheelyardError:
    return kind.__new__(kind, *args)


class CallerError(WheelyardError):
    """The caller can fix this with a different request."""

    code = "caller-error"


class RecipeError(WheelyardError):
    """The author of a recipe or of the catalogue can fix this."""

    code = "recipe-error"


class ProjectError(WheelyardError):
    """The project that was built is at fault, or needs a recipe. The same build would fail again."""

    code = "project-error"


class OperatorError(WheelyardError):
    """The operator of this Wheelyard can fix this: engine, index, database, disk or network."""

    code = "operator-error"
    retryable = True
