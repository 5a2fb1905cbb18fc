"""Find extension modules that a wheel lacks although its sdist has their sources.

This is a failure because many projects skip an extension without an error when its library is missing.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from wheelyard.domain.builds.build import GraftedLibrary
from wheelyard.domain.packaging.target import Policy
from wheelyard.domain.recipes.effective import EffectiveRecipe

_MAX_WARNED: Final = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class ExtensionSource:
    """Evidence of an extension module in an sdist, read before any of its code ran."""

    name: str | None
    """Its importable name; None if only the project's code can compute it."""
    where: str
    """The sdist's file with the evidence."""
    certain: bool
    """True if a correct build for this target makes it; False for a hint."""
    required: bool
    """True if it is named, certain and not optional."""

    @property
    def label(self) -> str:
        """Return its name for messages."""
        return self.name or f"one that {self.where} makes"


@dataclass(frozen=True, kw_only=True, slots=True)
class NativeContent:
    """The native files of a wheel."""

    extensions: tuple[str, ...]
    """Importable names of its extension modules."""
    files: tuple[str, ...]
    """File names of all its ELF files as they were built."""

    def has(self, name: str) -> bool:
        """Return whether the wheel has a module, possibly in another package than its source names.

        A source may leave the package to ``ext_package`` or to its folder, and a library for ctypes has no entry point
        that would make it a module, so the last part of the name decides.
        """
        last = name.rpartition(".")[2]
        return any(one.rpartition(".")[2] == last for one in self.extensions) or any(
            file.partition(".")[0] == last for file in self.files
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Degradation:
    """The extension modules that a wheel lacks."""

    missing: tuple[str, ...] = ()
    """Modules that it must have."""
    warnings: tuple[str, ...] = ()
    """Warnings for its users."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Expectation:
    """A recipe's rules for a wheel's extension modules."""

    present: tuple[str, ...] = ()
    """Names of modules that must be there, including their package."""
    absent: tuple[str, ...] = ()
    """Modules that may be missing although the sdist has their sources."""
    may_be_pure: bool = False
    """True if the wheel may have none."""


def find_degradation(
    sources: Sequence[ExtensionSource], native: NativeContent, expectation: Expectation
) -> Degradation:
    """Return what a wheel lacks, compared with its sdist and its recipe.

    The recipe adds to what the sdist promises by the modules that it names, and takes away from it only what it names
    as absent, or all of it where it says that pure is right.
    """
    lost = tuple(name for name in expectation.present if name not in native.extensions)
    if lost:
        return Degradation(missing=lost)
    if expectation.may_be_pure:
        return Degradation()
    promised = [one for one in sources if one.name not in expectation.absent]
    if not native.files:
        return _of_pure_wheel(promised)
    absent = [one for one in promised if one.certain and one.name and not native.has(one.name)]
    missing = _labels(one for one in absent if one.required)
    possible = [label for label in _labels(absent) if label not in missing]
    return Degradation(missing=missing, warnings=_warn("It has no", possible))


def _of_pure_wheel(sources: Sequence[ExtensionSource]) -> Degradation:
    """Return what a wheel without native files lacks."""
    certain = [one for one in sources if one.certain]
    if certain:
        return Degradation(missing=_labels([one for one in certain if one.name] or certain))
    hints = _labels(sources)
    return Degradation(warnings=_warn("It is pure, though its sdist may hold extension modules:", hints))


def _labels(sources: Iterable[ExtensionSource]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.label for one in sources))


def _warn(what: str, labels: Sequence[str]) -> tuple[str, ...]:
    if not labels:
        return ()
    more = f" and {len(labels) - _MAX_WARNED} more" if len(labels) > _MAX_WARNED else ""
    return (f"{what} {', '.join(labels[:_MAX_WARNED])}{more}.",)


def graft_problems(recipe: EffectiveRecipe, grafted: Sequence[GraftedLibrary]) -> Iterator[str]:
    """Return the recipe's rules that the grafted libraries break."""
    for library in grafted:
        pattern = next((one for one in recipe.denied_libraries if fnmatchcase(library.soname, one)), None)
        if pattern is not None:
            yield f"{_describe(library)} is grafted, and repair.deny has {pattern!r}"
    if recipe.max_grafted is not None and len(grafted) > recipe.max_grafted:
        names = ", ".join(library.soname for library in grafted)
        yield f"{len(grafted)} libraries are grafted, and repair.max-grafted is {recipe.max_grafted}: {names}"


def misses_floor(recipe: EffectiveRecipe, policy: str | None) -> bool:
    """Return whether a wheel needs a newer glibc than the recipe's floor; a pure wheel needs none."""
    if recipe.policy_floor is None or policy is None:
        return False
    found = Policy.parse(policy)
    return not found.serves(Policy.parse(f"{recipe.policy_floor}_{found.architecture}"))


def _describe(library: GraftedLibrary) -> str:
    package = f" of {library.package} {library.package_version}" if library.package else ""
    way = f" (asked for by {' -> '.join(library.chain[:-1])})" if library.chain[:-1] else ""
    return f"{library.soname}{package}{way}"
