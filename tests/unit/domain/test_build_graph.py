"""Who waits for whom: lines, circles, and what a build may not wait for."""

import pytest

from wheelyard.domain.builds.build import MissingRelease, Status
from wheelyard.domain.builds.graph import MAX_CHAIN, MAX_NEEDS, BrokenChain, DependencyGraph, refuse_needs

A, B, C = (MissingRelease(project=name, version="1.0") for name in "abc")


def graph(*waits: str) -> DependencyGraph:
    """Read ``ab`` as: a waits for b."""
    return DependencyGraph(waits=[(one[0], one[1]) for one in waits], names={name: name.upper() for name in "abcdef"})


@pytest.mark.parametrize(
    ("waits", "build", "needed", "path"),
    [
        ((), "a", "a", ("A", "A")),
        (("ab",), "b", "a", ("B", "A", "B")),
        (("ab", "bc"), "c", "a", ("C", "A", "B", "C")),
        (("ab", "bc", "ad", "dc"), "c", "a", ("C", "A", "B", "C")),
        (("ab", "bd", "dc", "ac"), "c", "a", ("C", "A", "C")),
    ],
)
def test_circle_is_named_by_its_shortest_way(
    waits: tuple[str, ...], build: str, needed: str, path: tuple[str, ...]
) -> None:
    error = graph(*waits).refuse_cycle(build, needed)
    assert error is not None
    assert error.path == path
    assert str(error).startswith(" needs ".join(path) + ": ")


@pytest.mark.parametrize("waits", [(), ("ab",), ("ab", "ac"), ("cb", "bd", "ca")])
def test_what_is_no_circle_is_none(waits: tuple[str, ...]) -> None:
    assert graph(*waits).refuse_cycle("a", "d") is None


def test_line_is_measured_along_its_longest_way() -> None:
    assert [graph().line_above("d"), graph("ad", "bd").line_above("d")] == [0, 1]
    assert graph("ad", "ab", "bc", "cd").line_above("d") == 3


def test_many_ways_to_a_build_cost_no_more_than_their_edges() -> None:
    """Each level has two builds that both wait for both of the next: 2 to the power of 200 ways."""
    waits = [(f"{n}{left}", f"{n + 1}{right}") for n in range(200) for left in "xy" for right in "xy"]
    diamonds = DependencyGraph(waits=waits)
    assert diamonds.line_above("200x") == MAX_CHAIN
    assert diamonds.path("0x", "none") is None
    assert len(diamonds.path("0x", "200x") or ()) == 201


def test_build_may_wait_for_what_it_has_not_waited_for() -> None:
    assert refuse_needs("x 1.0", [A, B], satisfied=[C], line_above=MAX_CHAIN - 2) is None


def test_build_may_not_wait_for_the_same_twice() -> None:
    error = refuse_needs("x 1.0", [A, B], satisfied=[C, B], line_above=0)
    assert (error and error.code, "b 1.0" in str(error)) == ("requirement-unusable", True)


def test_line_and_number_of_needs_have_limits() -> None:
    many = [MissingRelease(project=f"p{number}", version="1.0") for number in range(MAX_NEEDS + 1)]
    for error in (
        refuse_needs("x 1.0", [A], satisfied=[], line_above=MAX_CHAIN - 1),
        refuse_needs("x 1.0", many, satisfied=[], line_above=0),
        refuse_needs("x 1.0", many[:1], satisfied=many[1:], line_above=0),
    ):
        assert error is not None
        assert (error.code, error.retryable) == ("requirement-chain", False)


def test_broken_chain_names_everything_between_and_the_reason_once() -> None:
    chain = BrokenChain.at("c 1.0", build_id="id-of-c", status=Status.CANCELLED, failure=None)
    failure = chain.needed_by("b 1.0").needed_by("a 1.0").failure()
    assert failure.summary == "a 1.0 needs b 1.0, which needs c 1.0, whose build was cancelled."
    assert "'wheelyard show id-of-c'" in failure.hint
    refused = BrokenChain.unorderable("c 1.0", reason="c 1.0 has no sdist.").needed_by("b 1.0").failure()
    assert refused.summary == "b 1.0 needs c 1.0, which cannot be built here: c 1.0 has no sdist."
    assert "wheelyard show" not in refused.hint
