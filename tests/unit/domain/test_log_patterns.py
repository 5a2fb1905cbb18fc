"""What it costs to look through a stranger's log, counted from the patterns' own form and not by a clock."""

import re
from collections.abc import Iterable
from re import _constants as codes  # the only way to see how a pattern was understood
from re import _parser
from types import ModuleType
from typing import Any, Final

import pytest

from wheelyard.domain.builds import network
from wheelyard.domain.healing import build_system_signs, log_findings, log_signs, project_signs, signs, tracebacks
from wheelyard.domain.healing.log_findings import MAX_CHARACTERS, read_findings
from wheelyard.web import viewport

MOST_STEPS: Final = 8000
"""At one place of a log, whatever stands there."""
_ONE_CHARACTER: Final = frozenset({codes.LITERAL, codes.NOT_LITERAL, codes.IN, codes.ANY, codes.AT})


def count_steps(pattern: "re.Pattern[str]") -> int:
    """Count what a pattern can do at one place at most: with what backtracking repeats, possessive parts do not."""
    return _count(_parser.parse(pattern.pattern, pattern.flags), 0)


def _count(items: Iterable[tuple[object, Any]], rest: int) -> int:
    """Count the steps of some items before ``rest``, the steps of what follows them."""
    for code, value in reversed(list(items)):
        rest = _count_one(code, value, rest)
    return rest


def _count_one(code: object, value: Any, rest: int) -> int:  # noqa: ANN401  its form depends on the code
    if code in _ONE_CHARACTER:
        return rest + 1
    if code in {codes.ASSERT, codes.ASSERT_NOT}:
        return rest + _count(value[1], 0)
    if code is codes.SUBPATTERN:
        return _count(value[3], rest)
    if code is codes.ATOMIC_GROUP:
        return rest + _count(value, 0)
    if code is codes.BRANCH:
        return sum(_count(branch, rest) for branch in value[1])
    assert code in {codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT}, code
    least, most, repeated = value
    assert most is not codes.MAXREPEAT, "a repetition has no upper limit"
    tried = 1 if code is codes.POSSESSIVE_REPEAT else most - least + 1
    return int(most) * _count(repeated, 0) + tried * rest


def _patterns_of(module: ModuleType) -> list["re.Pattern[str]"]:
    """Find every pattern that a module has, alone, in a tuple, or as the pattern of a rule."""
    values = [one for value in vars(module).values() for one in (value if isinstance(value, tuple) else (value,))]
    found = [getattr(value, name, None) for value in values for name in ("pattern", "items")]
    return [one for one in (*values, *found) if isinstance(one, re.Pattern)]


@pytest.mark.parametrize(
    "module",
    [build_system_signs, log_findings, log_signs, network, project_signs, signs, tracebacks, viewport],
    ids=lambda module: module.__name__,
)
def test_every_pattern_over_a_log_takes_few_steps_at_each_place(module: ModuleType) -> None:
    patterns = _patterns_of(module)
    assert len(patterns) >= 2
    counted = {pattern.pattern: count_steps(pattern) for pattern in patterns}
    assert {pattern: steps for pattern, steps in counted.items() if steps > MOST_STEPS} == {}


@pytest.mark.parametrize("pattern", [r"pkg-config (?:--[\w-]+ )*x", r"^(?:a{1,200}b?){1,200}$", r"a.*b"])
def test_patterns_that_cost_more_are_told(pattern: str) -> None:
    try:
        assert count_steps(re.compile(pattern)) > MOST_STEPS
    except AssertionError as error:
        assert "no upper limit" in str(error)  # noqa: PT017  either way is a refusal


def test_only_the_end_of_a_log_is_read() -> None:
    missing = "a.c:1:10: fatal error: yaml.h: No such file or directory\n"
    assert read_findings(missing + "a" * MAX_CHARACTERS) == ()
    assert [one.name for one in read_findings("a" * MAX_CHARACTERS + missing)] == ["yaml.h"]
