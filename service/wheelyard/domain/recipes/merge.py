"""Merge a recipe's rules into the effective recipe of one release on one builder.

Lists are joined in order without duplicates, tables are updated key by key, the last rule decides single values, and
the highest floor decides toolchains (recipes/README.md).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Final

from packaging.version import Version

from wheelyard.domain.packaging.target import Target, python_version
from wheelyard.domain.recipes.effective import EffectiveRecipe, RecipeFile, SourceFile
from wheelyard.domain.recipes.model import Rule, Source, When
from wheelyard.domain.recipes.recipe import Recipe
from wheelyard.domain.recipes.types import policy_matches
from wheelyard.domain.toolchain import ToolchainNeed, merge_needs
from wheelyard.domain.untrusted.versions import read_specifiers

Merge = Callable[[Sequence[Any], Mapping[str, bytes]], Any]
"""Merges the rules' values of one key, in order; the second argument are the recipe's files."""


def _join(lists: Sequence[tuple[str, ...]], files: Mapping[str, bytes]) -> tuple[str, ...]:
    del files
    return tuple(dict.fromkeys(item for items in lists for item in items))


def _update(tables: Sequence[dict[str, Any]], files: Mapping[str, bytes]) -> tuple[tuple[str, Any], ...]:
    del files
    merged: dict[str, Any] = {}
    for table in tables:
        merged.update(table)
    return tuple(sorted(merged.items()))


def _last(values: Sequence[object], files: Mapping[str, bytes]) -> object:
    del files
    return values[-1]


def _highest(lists: Sequence[tuple[str, ...]], files: Mapping[str, bytes]) -> tuple[str, ...]:
    """Return the needed toolchains, each with its highest floor."""
    del files
    needs = merge_needs(ToolchainNeed.parse(text) for texts in lists for text in texts)
    return tuple(str(need) for need in needs)


def _by_place(lists: Sequence[tuple[Source, ...]], files: Mapping[str, bytes]) -> tuple[SourceFile, ...]:
    """Return the sources; the later one of two for the same path."""
    del files
    places = {one.to: SourceFile(url=one.url, sha256=one.sha256, to=one.to) for sources in lists for one in sources}
    return tuple(places.values())


def _files_of(folder: str) -> Merge:
    def merge(lists: Sequence[tuple[str, ...]], files: Mapping[str, bytes]) -> tuple[RecipeFile, ...]:
        return tuple(RecipeFile.of(name, files[f"{folder}/{name}"]) for name in _join(lists, files))

    return merge


MERGES: Final[Mapping[tuple[str, ...], tuple[str, Merge]]] = {
    ("apt",): ("apt", _join),
    ("dnf",): ("dnf", _join),
    ("apk",): ("apk", _join),
    ("toolchains",): ("toolchains", _highest),
    ("env",): ("env", _update),
    ("config-settings",): ("config_settings", _update),
    ("build-requires", "add"): ("build_requires", _join),
    ("build-requires", "drop"): ("dropped_requires", _join),
    ("build-constraints",): ("build_constraints", _join),
    ("sources",): ("sources", _by_place),
    ("patches",): ("patches", _files_of("patches")),
    ("cythonize",): ("cythonize", _join),
    ("hooks", "before-build"): ("before_build", _files_of("hooks")),
    ("hooks", "after-build"): ("after_build", _files_of("hooks")),
    ("repair", "exclude"): ("excluded_libraries", _join),
    ("repair", "deny"): ("denied_libraries", _join),
    ("repair", "deny-licenses"): ("denied_licenses", _join),
    ("repair", "graft"): ("grafted_beyond_policy", _join),
    ("repair", "max-grafted"): ("max_grafted", _last),
    ("repair", "floor"): ("policy_floor", _last),
    ("limits", "memory"): ("memory_bytes", _last),
    ("limits", "cpu"): ("cpus", _last),
    ("limits", "time"): ("time_seconds", _last),
    ("limits", "disk"): ("scratch_bytes", _last),
    ("limits", "log"): ("log_bytes", _last),
    ("expect", "extensions"): ("expected_extensions", _join),
    ("expect", "absent"): ("absent_extensions", _join),
    ("expect", "pure"): ("is_pure", _last),
    ("expect", "gil"): ("expected_gil", _last),
    ("test", "apt"): ("test_apt", _join),
    ("test", "imports"): ("test_imports", _join),
    ("test", "commands"): ("test_commands", _join),
    ("test", "requires"): ("test_requires", _join),
    ("test", "files"): ("test_files", _files_of("tests")),
    ("network",): ("network", _last),
    ("unsupported",): ("unsupported", _last),
}
"""For the path of each key of a rule: its field of the EffectiveRecipe, and how it is merged."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """What a recipe is evaluated for: a release, for a target, on a builder's suite."""

    version: Version
    target: Target
    suite: str


def merge_rules(recipe: Recipe | None, *, version: Version, target: Target, suite: str) -> EffectiveRecipe:
    """Return the merged rules that apply."""
    if recipe is None:
        return EffectiveRecipe()
    rules = [rule for _, rule in matching_rules(recipe, Place(version=version, target=target, suite=suite))]
    merged: dict[str, Any] = {}
    for path, (name, merge) in MERGES.items():
        if values := [value for rule in rules if is_given(value := value_at(rule, path))]:
            merged[name] = merge(values, recipe.files)
    return EffectiveRecipe(**merged)


def mismatches(when: When, place: Place) -> tuple[str, ...]:
    """Return the conditions of a rule that do not hold."""
    target = place.target
    conditions = {
        "version": when.version is None or read_specifiers(when.version).contains(place.version, prereleases=True),
        "python": when.python is None or read_specifiers(when.python).contains(python_version(target.python)),
        "suite": not when.suite or place.suite in when.suite,
        "policy": when.policy is None or policy_matches(when.policy, target.policy),
        "architecture": not when.architecture or target.policy.architecture in when.architecture,
    }
    return tuple(name for name, holds in conditions.items() if not holds)


def matching_rules(recipe: Recipe, place: Place) -> Iterator[tuple[int, Rule]]:
    """Yield the rules that apply, with their positions in the file from 0."""
    for number, rule in enumerate(recipe.rules):
        if not mismatches(rule.when, place):
            yield number, rule


def value_at(rule: Rule, path: Iterable[str]) -> Any:  # noqa: ANN401  its type depends on the path
    """Return a rule's value of a key."""
    return reduce(lambda table, key: getattr(table, key.replace("-", "_")), path, rule)


def is_given(value: object) -> bool:
    """Return whether a value is set."""
    return value is not None and value not in ((), {})
