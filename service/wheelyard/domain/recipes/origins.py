"""Explain an effective recipe: the rule that each key came from, and the rules that do not apply."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from wheelyard.domain.recipes.effective import EffectiveRecipe, SourceFile
from wheelyard.domain.recipes.merge import MERGES, Place, is_given, matching_rules, merge_rules, mismatches, value_at
from wheelyard.domain.recipes.model import Rule, Source
from wheelyard.domain.recipes.recipe import Recipe
from wheelyard.domain.recipes.toml_lines import KeyPath, line_of


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyOrigin:
    """One key, or one item of a list, of a rule that applies."""

    key: str
    """Its path in the rule, such as ``expect.extensions`` or ``env.CFLAGS``."""
    value: str | int | float | tuple[str, ...]
    rule: int
    """The rule's number, counted from 1."""
    line: int | None
    counts: bool
    """False if another rule overrides it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SkippedRule:
    """A rule that does not apply."""

    rule: int
    """Its number, counted from 1."""
    line: int | None
    mismatches: tuple[str, ...]
    """The conditions that do not hold, such as ``suite``."""


def explain_keys(recipe: Recipe, place: Place) -> tuple[KeyOrigin, ...]:
    """Return the rule that each key came from, in the order of the rules."""
    effective = merge_rules(recipe, version=place.version, target=place.target, suite=place.suite)
    matching = matching_rules(recipe, place)
    return tuple(one for number, rule in matching for one in _origins(recipe, number, rule, effective))


def skipped_rules(recipe: Recipe, place: Place) -> tuple[SkippedRule, ...]:
    """Return the rules that do not apply, with the reasons."""
    judged = ((number, mismatches(rule.when, place)) for number, rule in enumerate(recipe.rules))
    return tuple(
        SkippedRule(rule=number + 1, line=line_of(recipe.lines, ("rule", number)), mismatches=reasons)
        for number, reasons in judged
        if reasons
    )


def _origins(recipe: Recipe, number: int, rule: Rule, effective: EffectiveRecipe) -> Iterator[KeyOrigin]:
    for path, (name, _) in MERGES.items():
        if not is_given(value := value_at(rule, path)):
            continue
        result = getattr(effective, name)
        for part, item in _parts(value):
            yield KeyOrigin(
                key=".".join((*path, *(key for key in part if isinstance(key, str)))),
                value=item.url if isinstance(item, Source) else item,
                rule=number + 1,
                line=line_of(recipe.lines, ("rule", number, *path, *part)),
                counts=_counts(part, item, result),
            )


def _parts(value: dict[str, Any] | tuple[Any, ...] | str | float) -> Iterator[tuple[KeyPath, Any]]:
    """Yield the parts of a value: a table's keys, a list's items."""
    match value:
        case dict():
            yield from (((key,), item) for key, item in value.items())
        case tuple():
            yield from (((number,), item) for number, item in enumerate(value))
        case _:
            yield (), value


def _counts(part: KeyPath, item: object, result: Any) -> bool:  # noqa: ANN401  its type depends on the key
    """Return whether a rule's value is in the effective recipe."""
    if not part:
        return bool(item == result)
    if isinstance(part[0], str):
        return (part[0], item) in result
    if isinstance(item, Source):
        return SourceFile(url=item.url, sha256=item.sha256, to=item.to) in result
    return item in {getattr(one, "name", one) for one in result}
