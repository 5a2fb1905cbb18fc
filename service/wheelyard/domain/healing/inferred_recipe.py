"""Apply what was inferred to a build's recipe, and write it as a recipe of its own."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from wheelyard.domain.healing.healing import Inference
from wheelyard.domain.recipes.effective import EffectiveRecipe
from wheelyard.domain.toolchain import ToolchainNeed, merge_needs

_FIELDS: Final = {
    "apt": "apt",
    "dnf": "dnf",
    "apk": "apk",
    "toolchains": "toolchains",
    "build-requires.add": "build_requires",
    "build-constraints": "build_constraints",
    "cythonize": "cythonize",
    "repair.graft": "grafted_beyond_policy",
    "test.apt": "test_apt",
}
"""The field of the effective recipe for each key that may be inferred."""
OF_ONE_RELEASE: Final = frozenset({"build-constraints"})
"""Keys that say nothing about other releases: a constraint belongs to the day of a release."""
_OF_SUITE: Final = frozenset({"apt", "dnf", "apk", "test.apt"})
"""Keys whose values are names of a suite's archive."""
_LONGEST_COMMENT: Final = 80


def extend_recipe(recipe: EffectiveRecipe, inferences: Iterable[Inference]) -> EffectiveRecipe:
    """Return a recipe with inferred values added; what it has already stays where it is."""
    for one in inferences:
        field = _FIELDS[one.key]
        values = (*getattr(recipe, field), one.value)
        if field == "toolchains":
            values = tuple(str(need) for need in merge_needs(map(ToolchainNeed.parse, values)))
        changed: dict[str, Any] = {field: tuple(dict.fromkeys(values))}
        recipe = replace(recipe, **changed)
    return recipe


def has_value(recipe: EffectiveRecipe, one: Inference) -> bool:
    """Return whether a recipe has an inferred value already."""
    return extend_recipe(recipe, [one]) == recipe


@dataclass(frozen=True, kw_only=True, slots=True)
class InferredFor:
    """What a recipe was inferred for."""

    project: str
    version: str
    suite: str


def write_recipe(built: InferredFor, inferences: Sequence[Inference]) -> str:
    """Return a recipe with the inferred values, each with its reason as a comment; empty if there are none.

    Packages apply to the suite, whose names they have; constraints to the one release; everything else to all builds.
    """
    if not inferences:
        return ""
    scopes = (
        ("", [one for one in inferences if one.key not in _OF_SUITE | OF_ONE_RELEASE]),
        (f"suite = [{json.dumps(built.suite)}]", [one for one in inferences if one.key in _OF_SUITE]),
        (f"version = {json.dumps(f'=={built.version}')}", [one for one in inferences if one.key in OF_ONE_RELEASE]),
    )
    lines = ["schema = 1", f"name = {json.dumps(built.project)}"]
    for condition, of_scope in scopes:
        if of_scope:
            when = [f"when = {{ {condition} }}"] if condition else []
            lines += ["", "[[rule]]", *when, *_keys(of_scope)]
    return "\n".join(lines) + "\n"


def _keys(inferences: Sequence[Inference]) -> list[str]:
    lines: list[str] = []
    for key in _FIELDS:
        values = {one.value: one for one in inferences if one.key == key}
        if values:
            lines.append(f"{key} = [")
            lines += [f"  {json.dumps(value)},{_comment(one.reason)}" for value, one in values.items()]
            lines.append("]")
    return lines


def _comment(reason: str) -> str:
    """Return a comment; a reason has names of strangers in it, which may contain anything."""
    plain = "".join(one if one.isprintable() else "?" for one in reason)[:_LONGEST_COMMENT]
    return f"  # {plain}" if plain else ""
