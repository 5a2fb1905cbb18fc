"""The build requirements of a project, with the changes of its recipe."""

from collections.abc import Iterable

from packaging.utils import canonicalize_name

from wheelyard.domain.recipes.effective import EffectiveRecipe
from wheelyard.domain.untrusted.requirements import find_requirement


def amend_requirements(wanted: Iterable[str], recipe: EffectiveRecipe) -> tuple[str, ...]:
    """Return build requirements with those of the recipe added and dropped.

    A dropped project may still be installed because another requirement needs it, and may be added in another version.
    """
    kept = (text for text in wanted if not recipe.dropped_requires or _name_of(text) not in recipe.dropped_requires)
    return tuple(dict.fromkeys((*kept, *recipe.build_requires)))


def _name_of(text: str) -> str | None:
    """Return a requirement's normalised name; None if it is invalid, which the resolver reports."""
    requirement = find_requirement(text)
    return None if requirement is None else canonicalize_name(requirement.name)
