"""Describe the problems of a text that people write: the place, the line, and the nearest known key."""

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError

from wheelyard.domain.recipes.toml_lines import KeyLines, KeyPath, line_of

_OF_A_NAME: Final = "[key]"
"""The end of pydantic's location if a key itself is invalid."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TextProblem:
    """A problem of a text."""

    line: int | None
    """Counted from 1; None for a problem of the whole text."""
    key: str
    """The key in readable form, such as ``rule 2, expect.pure``; empty for the whole text."""
    message: str

    def __str__(self) -> str:
        where = f"line {self.line}: " if self.line is not None else ""
        return where + (f"{self.key}: " if self.key else "") + self.message


def describe_problems(error: ValidationError, known: Iterable[str]) -> list[str]:
    """Return the problems of a validation error as text, one each, with the nearest known key for unknown ones."""
    return [_describe_problem(dict(problem), sorted(known)) for problem in error.errors()]


def _describe_problem(problem: dict[str, Any], known: list[str]) -> str:
    place = ".".join(str(part) for part in problem["loc"])
    if problem["type"] != "extra_forbidden":
        return f"{place}: {_message_of(problem)}"
    nearest = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1)
    return f"{place}: unknown key" + (f", did you mean {nearest[0]!r}?" if nearest else "")


def _message_of(problem: dict[str, Any]) -> str:
    return str(problem["msg"]).removeprefix("Value error, ")


def locate_problems(error: ValidationError, *, paths: Sequence[KeyPath], lines: KeyLines) -> Iterator[TextProblem]:
    """Return the problems of a validation error, sorted by line; ``paths`` are all known keys."""
    found = [_locate_problem(dict(problem), paths, lines) for problem in error.errors()]
    yield from sorted(found, key=lambda problem: problem.line or 0)


def _locate_problem(problem: dict[str, Any], paths: Sequence[KeyPath], lines: KeyLines) -> TextProblem:
    place: KeyPath = tuple(part for part in problem["loc"] if part != _OF_A_NAME)
    unknown = problem["type"] == "extra_forbidden"
    message = f"unknown key{_guess(place, paths)}" if unknown else _message_of(problem)
    return TextProblem(line=line_of(lines, place), key=name_place(place), message=message)


def name_place(place: KeyPath) -> str:
    """Return a path in readable form: ``("rule", 0, "expect", "pure")`` is ``rule 1, expect.pure``."""
    text = ""
    for part in place:
        if isinstance(part, int):
            text += f" {part + 1}"
        else:
            text += (", " if text[-1:].isdigit() else "." if text else "") + part
    return text


def _guess(place: KeyPath, paths: Sequence[KeyPath]) -> str:
    """Return a hint with the nearest key of the same table, else the nearest of all keys, with its table."""
    *table, name = (part for part in place if isinstance(part, str))
    near = {str(path[-1]): str(path[-1]) for path in paths if path[:-1] == tuple(table)}
    far = {str(path[-1]): ".".join(map(str, path[1:] or path)) for path in paths}
    for known in (near, far):
        if nearest := difflib.get_close_matches(name, known, n=1):
            return f", did you mean {known[nearest[0]]!r}?"
    return ""


def key_paths(model: type[BaseModel]) -> Iterator[KeyPath]:
    """Yield the paths of all keys of a model; the keys of a table follow it."""
    for name, field in model.model_fields.items():
        key = field.alias or name
        yield (key,)
        for inner in _models_in(field.annotation):
            yield from ((key, *path) for path in key_paths(inner))


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)
