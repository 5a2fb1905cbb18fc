"""What is installed to build a project: what it asks for, as its recipe amends it. Must not resolve anything."""

from collections.abc import Iterable

from packaging.utils import canonicalize_name

from wheelyard.domain.recipes.effective import EffectiveRecipe
from wheelyard.domain.untrusted.requirements import find_requirement


def amend_requirements(wanted: Iterable[str], recipe: EffectiveRecipe) -> tuple[str, ...]:
    """Leave out what the recipe drops, and add what it adds.

    What is dropped may still come along because another requirement needs it, and may be added in another version.
    """
    kept = (text for text in wanted if not recipe.dropped_requires or _name_of(text) not in recipe.dropped_requires)
    return tuple(dict.fromkeys((*kept, *recipe.build_requires)))


def _name_of(text: str) -> str | None:
    """Give a requirement's normalised name; what is no requirement is left for the resolver to refuse."""
    requirement = find_requirement(text)
    return None if requirement is None else canonicalize_name(requirement.name)
