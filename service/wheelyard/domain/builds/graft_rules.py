"""What a recipe allows of a repaired wheel: which libraries are grafted, how many, and how new a glibc it may need."""

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from wheelyard.domain.builds.build import GraftedLibrary
from wheelyard.domain.packaging.target import Policy
from wheelyard.domain.recipes.effective import EffectiveRecipe


def graft_problems(recipe: EffectiveRecipe, grafted: Sequence[GraftedLibrary]) -> Iterator[str]:
    """Say what is wrong with the libraries that were grafted."""
    for library in grafted:
        pattern = next((one for one in recipe.denied_libraries if fnmatchcase(library.soname, one)), None)
        if pattern is not None:
            yield f"{_describe(library)} is grafted, and repair.deny has {pattern!r}"
    if recipe.max_grafted is not None and len(grafted) > recipe.max_grafted:
        names = ", ".join(library.soname for library in grafted)
        yield f"{len(grafted)} libraries are grafted, and repair.max-grafted is {recipe.max_grafted}: {names}"


def misses_floor(recipe: EffectiveRecipe, policy: str | None) -> bool:
    """Tell whether a wheel needs a newer glibc than the recipe's floor promises; a pure wheel needs none."""
    if recipe.policy_floor is None or policy is None:
        return False
    found = Policy.parse(policy)
    return not found.serves(Policy.parse(f"{recipe.policy_floor}_{found.architecture}"))


def _describe(library: GraftedLibrary) -> str:
    package = f" of {library.package} {library.package_version}" if library.package else ""
    way = f" (asked for by {' -> '.join(library.chain[:-1])})" if library.chain[:-1] else ""
    return f"{library.soname}{package}{way}"
