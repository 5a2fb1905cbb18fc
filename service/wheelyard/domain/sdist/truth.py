"""Truth of the conditions in build files and sources, as far as it is known before the build: on Linux, by default."""

from collections.abc import Callable
from typing import Final

Truth = bool | None
"""None if it is not known."""

_DEEPEST: Final = 20
_MOST_WORDS: Final = 200


def negate(truth: Truth) -> Truth:
    """Return the opposite; what is not known stays so."""
    return None if truth is None else not truth


def both(one: Truth, other: Truth) -> Truth:
    """Return whether both are true."""
    if one is False or other is False:
        return False
    return True if one and other else None


def either(one: Truth, other: Truth) -> Truth:
    """Return whether one of them is true."""
    return negate(both(negate(one), negate(other)))


class Branches:
    """The nested conditionals that a reader is inside of."""

    def __init__(self) -> None:
        self._open: list[tuple[Truth, Truth, Truth]] = []
        """Of each: whether it is reached, whether its present branch is taken, and whether an earlier one was."""
        self._cut: Truth = True

    @property
    def state(self) -> Truth:
        """Return whether this place is reached."""
        return both(self._cut, self._inner)

    @property
    def _inner(self) -> Truth:
        return both(self._open[-1][0], self._open[-1][1]) if self._open else True

    def enter(self, truth: Truth, usual: Truth = None) -> None:
        """Begin a conditional; ``usual`` is what its condition most likely is if its truth is not known."""
        taken = truth if truth is not None else usual
        self._open.append((self._inner, taken or truth, taken))

    def change(self, truth: Truth) -> None:
        """Begin its next branch, with a condition of its own; True for ``else``."""
        if self._open:
            reached, _, before = self._open.pop()
            self._open.append((reached, both(negate(before), truth), either(before, truth)))

    def leave(self) -> None:
        """End the innermost conditional."""
        if self._open:
            self._open.pop()

    def stop(self) -> None:
        """Note that nothing that follows is reached if this place is."""
        self._cut = both(self._cut, negate(self.state))


def evaluate(words: list[str], value: Callable[[list[str]], Truth], *, no: str, both_: str, either_: str) -> Truth:
    """Return the truth of an expression of words with parentheses; ``value`` knows the parts without operators.

    ``no``, ``both_`` and ``either_`` are the words of the operators.
    """
    if len(words) > _MOST_WORDS:
        return None
    return _Expression(words, value, no=no, both_=both_, either_=either_).any_of(0)


class _Expression:
    def __init__(
        self, words: list[str], value: Callable[[list[str]], Truth], *, no: str, both_: str, either_: str
    ) -> None:
        self._words = words
        self._value = value
        self._no, self._both, self._either = no, both_, either_
        self._place = 0

    def any_of(self, depth: int) -> Truth:
        truth = self._all_of(depth)
        while self._take(self._either):
            truth = either(truth, self._all_of(depth))
        return truth

    def _all_of(self, depth: int) -> Truth:
        truth = self._one(depth)
        while self._take(self._both):
            truth = both(truth, self._one(depth))
        return truth

    def _one(self, depth: int) -> Truth:
        if depth > _DEEPEST:
            self._place = len(self._words)
            return None
        if self._take(self._no):
            return negate(self._one(depth + 1))
        if self._take("("):
            truth = self.any_of(depth + 1)
            # More than a group, such as ``(A + 1) > B``.
            return truth if self._take(")") and self._at_end() else self._unknown()
        begin = self._place
        while not self._at_end():
            self._place += 1
        return self._value(self._words[begin : self._place])

    def _unknown(self) -> Truth:
        while not self._at_end():
            self._place += 1
        return None

    def _at_end(self) -> bool:
        return self._place >= len(self._words) or self._words[self._place] in {self._both, self._either, ")"}

    def _take(self, word: str) -> bool:
        found = self._place < len(self._words) and self._words[self._place] == word
        self._place += found
        return found
