"""Parse and check recipes: what a project needs beyond its sdist."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from pydantic import ValidationError

from wheelyard.domain.recipes.model import KEY_PATHS, RecipeText, Rule
from wheelyard.domain.recipes.problems import TextProblem, locate_problems
from wheelyard.domain.recipes.toml_lines import KeyLines, find_lines
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.domain.untrusted.toml_text import NotTomlError, read_toml

_TOML_PLACE: Final = re.compile(r" \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)$")
"""The end of a message of ``tomllib``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """A project's recipe with the files that it names."""

    name: str
    source: str
    """Its place, for messages."""
    rules: tuple[Rule, ...]
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Files of its folder, by path, such as ``patches/0001-older-freetds.patch``."""
    lines: KeyLines = field(default_factory=dict)
    """The line of each key."""
    text: str = ""
    """The source text."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Naming:
    """The known names that a recipe is checked against; None skips a check."""

    project: str | None = None
    """The project that the file is named after."""
    suites: Collection[str] | None = None
    """All known suites."""


def judge_text(
    text: str, *, source: str, files: Mapping[str, bytes], naming: Naming
) -> tuple[Recipe | None, Sequence[TextProblem]]:
    """Parse a recipe; return it, or None and all its problems.

    Args:
        text: The recipe in TOML.
        source: Its place, for messages.
        files: Files of its folder, by path.
        naming: Known names to check it against.
    """
    try:
        data = read_toml(text)
    except NotTomlError as error:
        return None, [_not_toml(text, error)]
    except RefusedTextError as error:
        return None, [TextProblem(line=1, key="", message=str(error))]
    lines, context = find_lines(text), _context(files, naming)
    try:
        written = RecipeText.model_validate(data, context=context)
    except ValidationError as error:
        return None, list(locate_problems(error, paths=KEY_PATHS, lines=lines))
    return Recipe(name=written.name, source=source, rules=written.rule, files=files, lines=lines, text=text), []


def _context(files: Mapping[str, bytes], naming: Naming) -> dict[str, object]:
    known = {"project": naming.project, "suites": naming.suites}
    return {"files": files, **{name: value for name, value in known.items() if value is not None}}


def _not_toml(text: str, error: NotTomlError) -> TextProblem:
    """Return the problem with its line, which the parser only has in its message."""
    place = _TOML_PLACE.search(str(error))
    line = int(place["line"]) if place and place["line"] else text.count("\n", 0, len(text.rstrip())) + 1
    reason = _TOML_PLACE.sub("", str(error))
    column = f" (column {place['column']})" if place and place["column"] else ""
    return TextProblem(line=line, key="", message=f"it is not TOML: {reason}{column}")


def lint_recipe(recipe: Recipe) -> Iterator[TextProblem]:
    """Yield a problem for each file that no rule names."""
    for file in sorted(recipe.files.keys() - set(_named_files(recipe))):
        yield TextProblem(line=None, key="", message=f"no rule names the file {file}")


def _named_files(recipe: Recipe) -> Iterator[str]:
    for rule in recipe.rules:
        yield from (f"patches/{name}" for name in rule.patches)
        yield from (f"hooks/{name}" for name in (*rule.hooks.before_build, *rule.hooks.after_build))
        yield from (f"tests/{name}" for name in rule.test.files)
