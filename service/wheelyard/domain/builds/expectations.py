"""Decide whether a wheel lost extension modules, by evidence.

Many projects skip an extension without an error when its library is missing, so a wheel that lacks one may be broken.
But sources only suggest what a build makes: a program such as setup.py may leave a module out on purpose. So what they
suggest is a warning. These refuse a wheel: its recipe, a module that upstream's own wheel of the release has, a module
that the build tried to make, and one that pyproject.toml declares in a table without a condition
(docs/decisions/0025-what-is-let-pass.md).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from wheelyard.domain.builds.build import GraftedLibrary
from wheelyard.domain.builds.upstream_wheels import UpstreamRelease, UpstreamWheel
from wheelyard.domain.packaging.target import Policy
from wheelyard.domain.recipes.effective import EffectiveRecipe

_MAX_SHOWN: Final = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class ExtensionSource:
    """A hint of an extension module in an sdist, read before any of its code ran."""

    name: str | None
    """Its importable name; None if only the project's code can compute it."""
    where: str
    """The sdist's file with the hint, and its line if there is one."""
    certain: bool
    """True if the sources leave no doubt that a build for this target tries to make it."""
    required: bool
    """True if a static table declares it, so that no program can leave it out."""

    @property
    def label(self) -> str:
        """Return its name and place for messages."""
        return f"{self.name} ({self.where})" if self.name else f"one that {self.where} makes"


@dataclass(frozen=True, kw_only=True, slots=True)
class TriedModule:
    """An extension module that a build began to make."""

    name: str
    line: str
    """The line of the build's log that says so."""


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
class Expectation:
    """A recipe's rules for a wheel's extension modules."""

    present: tuple[str, ...] = ()
    """Names of modules that must be there, including their package."""
    absent: tuple[str, ...] = ()
    """Modules that may be missing although the sdist has their sources."""
    may_be_pure: bool = False
    """True if the wheel may have none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Doubt:
    """The extension modules that a wheel lacks and might have lost."""

    is_pure: bool
    suggested: tuple[ExtensionSource, ...] = ()
    """What its sdist suggests."""
    tried: tuple[TriedModule, ...] = ()
    """What its build tried to make."""

    def needs_names(self, upstream: UpstreamRelease) -> bool:
        """Return whether the names in upstream's nearest native wheel can make a difference."""
        if self.is_pure and upstream.pure is not None:
            return bool(self.tried)
        return bool(self)

    def __bool__(self) -> bool:
        """Return whether there is a doubt; any pure wheel is one, because upstream's may be native."""
        return self.is_pure or bool(self.suggested or self.tried)


@dataclass(frozen=True, kw_only=True, slots=True)
class Degradation:
    """The extension modules that a wheel lacks."""

    missing: tuple[str, ...] = ()
    """Modules that it must have."""
    evidence: tuple[str, ...] = ()
    """What shows that, as sentences."""
    warnings: tuple[str, ...] = ()
    """Warnings for its users."""
    doubtful: tuple[str, ...] = ()
    """Modules that it may have lost; an import of one that fails decides."""


def find_doubt(
    sources: Sequence[ExtensionSource],
    native: NativeContent,
    expectation: Expectation,
    tried: Sequence[TriedModule] = (),
) -> Doubt:
    """Return what a wheel lacks of what its sdist suggests and its build tried; nothing that its recipe allows."""
    is_pure = not native.files
    if expectation.may_be_pure:
        return Doubt(is_pure=False)
    promised = [one for one in sources if one.name not in expectation.absent]
    suggested = promised if is_pure else [one for one in promised if one.certain and one.name]
    return Doubt(
        is_pure=is_pure,
        suggested=tuple(one for one in suggested if not (one.name and native.has(one.name))),
        tried=tuple(one for one in tried if one.name not in expectation.absent and not native.has(one.name)),
    )


def find_lost(native: NativeContent, expectation: Expectation) -> Degradation:
    """Return the modules that a recipe expects and a wheel lacks."""
    lost = tuple(name for name in expectation.present if name not in native.extensions)
    return Degradation(missing=lost, evidence=("The recipe's expect.extensions names them.",) if lost else ())


def judge_doubt(doubt: Doubt, expectation: Expectation, upstream: UpstreamRelease) -> Degradation:
    """Return what evidence says of a doubt: upstream's wheels, else the build's own log and static tables."""
    if upstream.wheel is not None:
        return _compare(doubt, expectation, upstream, upstream.wheel)
    if upstream.pure is not None and (upstream.native is None or (doubt.is_pure and not doubt.tried)):
        return _as_pure(doubt, upstream, upstream.pure)
    declared = [one for one in doubt.suggested if one.name and one.required]
    if doubt.tried or declared:
        return Degradation(
            missing=_distinct([*(one.name for one in doubt.tried), *(one.name for one in declared if one.name)]),
            evidence=_first(
                [
                    *(f"The build's log says: {one.line}" for one in doubt.tried),
                    *(f"{one.where} declares {one.name}." for one in declared),
                ]
            ),
        )
    return _suspect(doubt, doubt.suggested)


def _compare(doubt: Doubt, expectation: Expectation, upstream: UpstreamRelease, wheel: UpstreamWheel) -> Degradation:
    """Return the modules that upstream's nearest wheel has and ours lacks; one that it lacks too is no loss."""
    may_be_pure = doubt.is_pure and upstream.pure is not None
    suggested = () if may_be_pure else doubt.suggested
    comparable = [one for one in suggested if one.name and wheel.proves(one.certain)]
    names = _distinct([*(one.name for one in doubt.tried), *(one.name for one in comparable if one.name)])
    lost = {name: member for name in names if (member := wheel.member_of(name)) is not None}
    if not lost and doubt.is_pure and not may_be_pure and wheel.proves(is_certain=False):
        lost = {name: member for name, member in wheel.modules.items() if name not in expectation.absent}
    if lost:
        said = (f"Upstream's {wheel.filename} has {member}." for member in lost.values())
        return Degradation(missing=tuple(lost)[:_MAX_SHOWN], evidence=_first(said))
    suspected = _suspect(doubt, [one for one in suggested if not wheel.proves(one.certain)])
    return Degradation(warnings=(*_without_tried(doubt, wheel.filename), *suspected.warnings))


def _as_pure(doubt: Doubt, upstream: UpstreamRelease, pure: str) -> Degradation:
    """Accept what upstream's pure wheel lacks too; warn of what the build tried, or upstream has in other wheels."""
    warnings = _without_tried(doubt, pure)
    if doubt.is_pure and doubt.suggested and upstream.native is not None and upstream.native_serves:
        warnings = (f"It is pure, as upstream's {pure} is; upstream's {upstream.native} is not.",)
    return Degradation(warnings=warnings)


def _without_tried(doubt: Doubt, filename: str) -> tuple[str, ...]:
    tried = _distinct(one.name for one in doubt.tried)
    if not tried:
        return ()
    return (f"It has no {_listed(tried)}, which its build tried to make; upstream's {filename} has none either.",)


def _suspect(doubt: Doubt, suggested: Sequence[ExtensionSource]) -> Degradation:
    """Return a warning for what sources suggest, without any evidence."""
    labels = _distinct(one.label for one in suggested)
    if not labels:
        return Degradation()
    what = "It is pure, though its sdist may hold extension modules:" if doubt.is_pure else "It has no"
    doubtful = _distinct(one.name for one in suggested if one.name and one.certain)
    return Degradation(warnings=(f"{what} {_listed(labels)}.",), doubtful=doubtful)


def _distinct(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


def _first(texts: Iterable[str]) -> tuple[str, ...]:
    return _distinct(texts)[:_MAX_SHOWN]


def _listed(labels: Sequence[str]) -> str:
    more = f" and {len(labels) - _MAX_SHOWN} more" if len(labels) > _MAX_SHOWN else ""
    return f"{', '.join(labels[:_MAX_SHOWN])}{more}"


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
