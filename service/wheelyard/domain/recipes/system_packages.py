"""Which of a recipe's system packages a builder gets: those for its own package manager. Must not install anything."""

from collections.abc import Mapping, Sequence

from wheelyard.domain.recipes.effective import EffectiveRecipe
from wheelyard.errors import PackagesMissingError


def packages_for(recipe: EffectiveRecipe, *, manager: str, suite: str) -> tuple[str, ...]:
    """Give the packages for a package manager.

    Raises:
        PackagesMissingError: the recipe has some for others only, so nobody knows what they are called here.
    """
    known: Mapping[str, Sequence[str]] = {"apt": recipe.apt, "dnf": recipe.dnf, "apk": recipe.apk}
    others = [name for name, packages in known.items() if packages]
    if others and manager not in others:
        raise PackagesMissingError(suite=suite, manager=manager, others=others)
    return tuple(known.get(manager, ()))
