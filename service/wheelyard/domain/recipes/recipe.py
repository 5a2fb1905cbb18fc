"""Recipes: what a project needs beyond its sdist, as it was found, and what of it counts for one build.

Must not read files; whoever finds a recipe brings its files along.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from pydantic import ValidationError

from wheelyard.domain.recipes.model import KEY_PATHS, RecipeText, Rule
from wheelyard.domain.recipes.problems import TextProblem, locate_problems
from wheelyard.domain.recipes.toml_lines import KeyLines, find_lines
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.domain.untrusted.toml_text import NotTomlError, read_toml
from wheelyard.errors import RecipeInvalidError

_TOML_PLACE: Final = re.compile(r" \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)$")
"""How ``tomllib`` ends its messages."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """A project's recipe as it was found, with the files that it names."""

    name: str
    source: str
    """Where it was found, for messages."""
    rules: tuple[Rule, ...]
    files: Mapping[str, bytes] = field(default_factory=dict)
    """What its folder holds, by path, such as ``patches/0001-older-freetds.patch``."""
    lines: KeyLines = field(default_factory=dict)
    """Where each key is written."""
    text: str = ""
    """The recipe as it is written."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Naming:
    """What names in a recipe are checked against; what is None is not checked."""

    project: str | None = None
    """The project that the file is named after."""
    suites: Collection[str] | None = None
    """The suites that there are."""


def parse_recipe(
    text: str, *, source: str, files: Mapping[str, bytes] | None = None, naming: Naming | None = None
) -> Recipe:
    """Read a recipe from TOML.

    Args:
        text: The recipe.
        source: Where it was found, for messages.
        files: What its folder holds, by path.
        naming: What the names in it are checked against.

    Raises:
        RecipeInvalidError: it has problems; all of them are told.
    """
    recipe, problems = judge_text(text, source=source, files=files or {}, naming=naming or Naming())
    if recipe is None:
        raise RecipeInvalidError(source=source, problems=[str(problem) for problem in problems])
    return recipe


def judge_text(
    text: str, *, source: str, files: Mapping[str, bytes], naming: Naming
) -> tuple[Recipe | None, Sequence[TextProblem]]:
    """Read a recipe as parse_recipe does: give it, or everything that is wrong with it."""
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
    """Say where the text stops to be TOML; the parser has that in its message alone."""
    place = _TOML_PLACE.search(str(error))
    line = int(place["line"]) if place and place["line"] else text.count("\n", 0, len(text.rstrip())) + 1
    reason = _TOML_PLACE.sub("", str(error))
    column = f" (column {place['column']})" if place and place["column"] else ""
    return TextProblem(line=line, key="", message=f"it is not TOML: {reason}{column}")
