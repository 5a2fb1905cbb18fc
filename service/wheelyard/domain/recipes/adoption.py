"""What adopting the recipe of a healed build means: the text that follows, and whether the build used just that."""

from dataclasses import dataclass
from itertools import takewhile
from typing import Final

from wheelyard.domain.builds.build import Build
from wheelyard.domain.healing.healing import Healing
from wheelyard.domain.healing.inferred_recipe import extend_recipe
from wheelyard.domain.recipes.effective import EffectiveRecipe
from wheelyard.domain.recipes.source import RecipeStatus
from wheelyard.domain.recipes.toml_lines import find_lines

_FIRST_RULE: Final = ("rule", 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Adoption:
    """What adopting a recipe has done."""

    recipe: RecipeStatus
    """The project's recipe now."""
    build_id: str
    """The healed build."""
    is_new: bool
    """False if the project's recipe had all of it already."""
    equal_build: str | None
    """The build that an equal request joins; None if it is built anew."""


def healing_of(build: Build) -> Healing | None:
    """Return the healing of a build's newest attempt if a recipe follows from it."""
    healing = build.attempts[-1].healing if build.attempts else None
    return healing if healing is not None and healing.recipe else None


def add_rules(present: str, proposed: str) -> str:
    """Return a recipe's text with the rules of another one after its own; both must be valid.

    Comments stay, and those right above a proposed rule come with it.
    """
    rules = rules_of(proposed)
    return f"{present.rstrip()}\n\n{rules}" if rules else present


def rules_of(text: str) -> str:
    """Return the part of a recipe's text that has its rules, with the comments right above the first."""
    line = find_lines(text).get(_FIRST_RULE)
    if line is None:
        return ""
    lines = text.splitlines(keepends=True)
    above = list(takewhile(lambda one: one.startswith("#"), reversed(lines[: line - 1])))
    return "".join(lines[line - 1 - len(above) :]).strip() + "\n"


def used_recipe(recipe: EffectiveRecipe, healing: Healing) -> EffectiveRecipe:
    """Return the recipe that a healed build has used: its order's with everything that it added and needed.

    Raise LookupError for a key that is never inferred.
    """
    unused = {(one.key, one.value) for one in healing.unused}
    return extend_recipe(recipe, (one for one in healing.added if (one.key, one.value) not in unused))
