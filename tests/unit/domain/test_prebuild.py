"""What is to be done for one release of a prebuild."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.utils import canonicalize_name

from wheelyard.domain.builds.build import Status
from wheelyard.domain.dependencies.files import Origin
from wheelyard.domain.packaging.coverage import WheelKind, wheel_tags
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.prebuilds.decision import Decision, ReleaseFacts, decide, release_kind
from wheelyard.domain.prebuilds.prebuild import Item, ItemStatus, Prefer, Source, Started, WheelOffer

OLD = Target.parse(python="3.11", platform="manylinux_2_31_x86_64")
MIDDLE = Target.parse(python="3.11", platform="manylinux_2_36_x86_64")
NEW = Target.parse(python="3.13", platform="manylinux_2_31_x86_64")
PROJECT = canonicalize_name("p")
TARGETS = (OLD, MIDDLE, NEW)
NOTHING = ReleaseFacts(own=(), upstream=(), started=())
PURE = WheelOffer(filename="p-1.0-1.bookworm-py3-none-any.whl", sha256="a" * 64, source=Source.OWN)
OLD_NATIVE = replace(PURE, filename="p-1.0-1.bullseye-cp311-cp311-manylinux_2_17_x86_64.whl")
UPSTREAM_NEW = WheelOffer(
    filename="p-1.0-cp313-cp313-manylinux_2_28_x86_64.whl", sha256="b" * 64, source=Source.UPSTREAM
)


def item(target: Target) -> Item:
    return Item(
        project=PROJECT,
        version="1.0",
        target=target,
        origin=Origin(file="requirements.txt", line=1),
        status=ItemStatus.WAITING,
    )


def news(target: Target, status: Status, reason: str = "", hint: str = "") -> Started:
    return Started(
        project=PROJECT,
        version="1.0",
        target=target,
        build_id=f"build-{target.python}-{target.platform}",
        status=status,
        reason=reason,
        hint=hint,
    )


def decided(facts: ReleaseFacts, *, prefer: Prefer = Prefer.OWN, targets: tuple[Target, ...] = TARGETS) -> Decision:
    return decide([item(target) for target in targets], facts, prefer=prefer)


def statuses(decision: Decision) -> list[str]:
    return [one.status.value for one in decision.items]


def test_unknown_release_starts_one_build_and_the_rest_waits_for_it() -> None:
    decision = decided(NOTHING)
    assert decision.starts == (OLD,)
    assert statuses(decision) == ["build", "waiting", "waiting"]
    assert {one.waits_for for one in decision.items} == {OLD}


def test_deciding_again_while_the_build_runs_starts_nothing() -> None:
    decision = decided(replace(NOTHING, started=(news(OLD, Status.RUNNING),)))
    assert decision.starts == ()
    assert {one.build_id for one in decision.items} == {"build-3.11-manylinux_2_31_x86_64"}


def test_pure_wheel_serves_everything_that_waited() -> None:
    decision = decided(replace(NOTHING, own=(PURE,), started=(news(OLD, Status.SUCCEEDED),)))
    assert decision.starts == ()
    assert statuses(decision) == ["present"] * 3
    assert {one.filename for one in decision.items} == {PURE.filename}


def test_native_wheel_serves_higher_glibc_and_other_pythons_start_their_own() -> None:
    decision = decided(replace(NOTHING, own=(OLD_NATIVE,), started=(news(OLD, Status.SUCCEEDED),)))
    assert decision.starts == (NEW,)
    assert statuses(decision) == ["present", "present", "build"]


def test_upstream_wheel_is_mirrored_where_that_will_do_and_told_as_evidence_where_not() -> None:
    facts = replace(NOTHING, upstream=(UPSTREAM_NEW,))
    mirrored = decided(facts, prefer=Prefer.UPSTREAM)
    assert statuses(mirrored) == ["build", "waiting", "mirror"]
    assert mirrored.items[0].reason == "no wheel fits"
    assert mirrored.items[2].sha256 == UPSTREAM_NEW.sha256
    assert release_kind(facts) is WheelKind.NATIVE
    own = decided(facts, prefer=Prefer.OWN)
    assert own.starts == (OLD, NEW)
    assert own.items[2].reason == "no wheel of our own fits", "upstream has one"


def test_nothing_is_mirrored_where_the_operator_does_not_allow_it() -> None:
    facts = replace(NOTHING, upstream=(UPSTREAM_NEW,), may_mirror=False)
    never = decided(facts, prefer=Prefer.UPSTREAM)
    assert never.starts == (OLD, NEW)
    assert never.items[0].reason == "no wheel fits"
    said = "upstream has a wheel that fits, but this service mirrors none (WHEELYARD_MIRROR=never)"
    assert (never.items[2].status, never.items[2].reason) == (ItemStatus.BUILD, said)
    built = replace(PURE, filename="p-1.0-1.bookworm-cp313-cp313-manylinux_2_31_x86_64.whl")
    after = replace(facts, own=(built,), started=(news(OLD, Status.RUNNING), news(NEW, Status.SUCCEEDED)))
    running = tuple(replace(one, build_id=f"build-{one.target.python}-{one.target.platform}") for one in never.items)
    done = decide(running, after, prefer=Prefer.UPSTREAM).items[2]
    assert (done.status, done.source, done.reason) == (ItemStatus.PRESENT, Source.OWN, said)
    there = decided(replace(facts, own=(built,)), prefer=Prefer.UPSTREAM)
    assert there.items[2].reason == "", "it would not have been mirrored anyway"


def test_wheel_that_waits_to_be_mirrored_is_built_once_that_is_no_longer_allowed() -> None:
    facts = replace(NOTHING, upstream=(UPSTREAM_NEW,))
    (waiting,) = decided(facts, prefer=Prefer.UPSTREAM, targets=(NEW,)).items
    (built,) = decide([waiting], replace(facts, may_mirror=False), prefer=Prefer.UPSTREAM).items
    assert (waiting.status, built.status) == (ItemStatus.MIRROR, ItemStatus.BUILD)


def locked(target: Target, *offers: WheelOffer) -> Item:
    return replace(item(target), hashes=frozenset(f"sha256:{offer.sha256}" for offer in offers))


OTHER_BYTES = replace(UPSTREAM_NEW, filename="p-1.0-py3-none-any.whl", sha256="c" * 64)


def test_mirrored_wheel_that_the_lock_does_not_allow_serves_nobody() -> None:
    facts = replace(NOTHING, own=(OTHER_BYTES,), upstream=(UPSTREAM_NEW, OTHER_BYTES))
    (only,) = decide([locked(NEW, UPSTREAM_NEW)], facts, prefer=Prefer.UPSTREAM).items
    assert (only.status, only.filename) == (ItemStatus.MIRROR, UPSTREAM_NEW.filename)
    (none,) = decide([locked(OLD, UPSTREAM_NEW)], facts, prefer=Prefer.UPSTREAM).items
    assert none.status is ItemStatus.BUILD


def test_wheel_that_the_lock_allows_goes_before_one_of_ours_that_it_has_to_be_told_of() -> None:
    own = replace(PURE, filename="p-1.0-1.bookworm-cp313-cp313-manylinux_2_31_x86_64.whl")
    facts = replace(NOTHING, own=(own,), upstream=(UPSTREAM_NEW,))
    (mirror,) = decide([locked(NEW, UPSTREAM_NEW)], facts, prefer=Prefer.UPSTREAM).items
    assert mirror.status is ItemStatus.MIRROR
    (present,) = decide([locked(NEW, UPSTREAM_NEW)], replace(facts, upstream=()), prefer=Prefer.UPSTREAM).items
    assert (present.status, present.filename, present.needs_lock) == (ItemStatus.PRESENT, own.filename, True)
    (listed,) = decide([locked(NEW, UPSTREAM_NEW, own)], facts, prefer=Prefer.UPSTREAM).items
    assert (listed.status, listed.needs_lock) == (ItemStatus.PRESENT, False)


def test_mirrored_wheel_is_no_wheel_of_our_own() -> None:
    facts = replace(NOTHING, own=(UPSTREAM_NEW,))
    assert statuses(decided(facts, prefer=Prefer.UPSTREAM, targets=(NEW,))) == ["present"]
    assert statuses(decided(facts, prefer=Prefer.OWN, targets=(NEW,))) == ["build"]


GRID = tuple(
    Target.parse(python=python, platform=f"manylinux_{floor}_x86_64")
    for python in ("3.11", "3.12", "3.13")
    for floor in ("2_31", "2_36", "2_41")
)


def run_course(succeeds: Callable[[Target], bool], facts: ReleaseFacts = NOTHING) -> tuple[ReleaseFacts, Decision]:
    """Let builds for the grid end one after the other, each with a native wheel of its own or a failure."""
    while True:
        decision = decided(facts, targets=GRID)
        running = [one for one in facts.started if not one.status.is_final]
        if decision.starts:
            facts = replace(facts, started=(*facts.started, *(news(one, Status.RUNNING) for one in decision.starts)))
        elif running:
            facts = _end(facts, running[0], succeeds=succeeds(running[0].target))
        else:
            return facts, decision


def _end(facts: ReleaseFacts, one: Started, *, succeeds: bool) -> ReleaseFacts:
    python = f"cp{one.target.python.replace('.', '')}"
    wheel = replace(PURE, filename=f"p-1.0-1.suite-{python}-{python}-{one.target.platform}.whl")
    ended = replace(one, status=Status.SUCCEEDED if succeeds else Status.FAILED)
    started = tuple(ended if other == one else other for other in facts.started)
    return replace(facts, started=started, own=(*facts.own, wheel) if succeeds else facts.own)


@pytest.mark.parametrize(("upstream", "most"), [((), 3), ((UPSTREAM_NEW,), 5)])
def test_release_that_fails_everywhere_is_not_tried_everywhere(upstream: tuple[WheelOffer, ...], most: int) -> None:
    facts, decision = run_course(lambda _: False, replace(NOTHING, upstream=upstream))
    assert len(facts.started) == most, "of nine"
    assert {one.status for one in decision.items} == {ItemStatus.FAILED}
    untried = [one.reason for one in decision.items if one.build_id is None]
    assert len(untried) == 9 - most
    assert all(reason.startswith("not tried: it failed for Python 3.11 on ") for reason in untried)


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_only_python_that_a_release_builds_for_is_found(python: str) -> None:
    _, decision = run_course(lambda target: target.python == python)
    assert [one.target.python for one in decision.items if one.status is ItemStatus.PRESENT] == [python] * 3


@pytest.mark.parametrize(("floor", "served"), [("2_31", 9), ("2_36", 6), ("2_41", 3)])
def test_only_platform_that_a_release_builds_on_is_found(floor: str, served: int) -> None:
    _, decision = run_course(lambda target: floor in target.platform)
    assert sum(one.status is ItemStatus.PRESENT for one in decision.items) == served


def test_failed_build_is_told_and_a_target_that_has_little_in_common_with_it_is_tried() -> None:
    decision = decided(replace(NOTHING, started=(news(OLD, Status.FAILED, "a header is missing"),)))
    assert statuses(decision)[0] == "failed"
    assert decision.items[0].reason == "a header is missing"
    assert decision.starts == (NEW,)


def test_item_keeps_what_to_do_about_its_failure_only_while_it_has_failed() -> None:
    failure = news(OLD, Status.FAILED, "a header is missing", 'Put apt = ["libx-dev"] into the recipe.')
    other = Target.parse(python="3.13", platform=MIDDLE.platform)
    facts = replace(NOTHING, started=(failure, replace(failure, target=other)))
    failed, untried = decided(facts, targets=(OLD, MIDDLE)).items
    assert failed.hint == untried.hint == failure.hint
    assert untried.reason.startswith("not tried: it failed for")
    served, *_ = decide([failed, untried], replace(facts, own=(OLD_NATIVE,)), prefer=Prefer.OWN).items
    assert (served.status, served.hint) == (ItemStatus.PRESENT, ""), served


def test_build_that_made_no_fitting_wheel_is_a_failure_and_not_tried_for_ever() -> None:
    decision = decided(replace(NOTHING, started=(news(OLD, Status.SUCCEEDED),)), targets=(OLD,))
    assert decision.starts == ()
    assert statuses(decision) == ["failed"]


def test_refused_target_is_impossible_and_another_one_leads() -> None:
    refused = replace(news(OLD, Status.FAILED, "the suite's library is too old"), build_id=None)
    decision = decided(replace(NOTHING, started=(refused,)))
    assert decision.starts == (NEW,)
    assert decision.items[0].status is ItemStatus.IMPOSSIBLE
    assert decision.items[0].reason == "the suite's library is too old"


WIDE = st.sampled_from(
    [
        Target.parse(python=python, platform=f"manylinux_{floor}_x86_64")
        for python in ("3.11", "3.12", "3.13")
        for floor in ("2_28", "2_31", "2_36", "2_41")
    ]
)
TAGS: dict[WheelKind, Callable[[str, str], str]] = {
    WheelKind.PURE: lambda _, __: "py3-none-any",
    WheelKind.PROGRAM: lambda _, platform: f"py3-none-{platform}",
    WheelKind.ABI3: lambda python, platform: f"{python}-abi3-{platform}",
    WheelKind.NATIVE: lambda python, platform: f"{python}-{python}-{platform}",
}


@settings(deadline=None, max_examples=150)
@given(
    targets=st.lists(WIDE, min_size=1, max_size=9, unique=True),
    kind=st.sampled_from(list(TAGS)),
    floor=st.sampled_from([None, "2_17", "2_28", "2_34"]),
    told=st.sampled_from([None, *TAGS]),
)
def test_whatever_wheels_turn_out_to_be_everything_is_served_by_what_an_installer_prefers(
    targets: list[Target], kind: WheelKind, floor: str | None, told: WheelKind | None
) -> None:
    """Builds make wheels of one kind, with a floor that may be lower than was asked for; upstream may mislead."""

    def wheel_for(target: Target) -> str:
        lowest = min(int(floor.partition("_")[2]) if floor else 99, target.policy.glibc[1])
        python = f"cp{target.python.replace('.', '')}"
        return f"p-1.0-1.suite-{TAGS[kind](python, f'manylinux_2_{lowest}_x86_64')}.whl"

    hint = () if told is None else (replace(PURE, filename=f"p-1.0-{TAGS[told]('cp39', 'win_amd64')}.whl"),)
    facts = ReleaseFacts(own=(), upstream=hint if told is not WheelKind.PURE else (), started=())
    while (decision := decided(facts, targets=tuple(targets))).starts or any(
        not one.status.is_final for one in facts.started
    ):
        started = (*facts.started, *(news(target, Status.RUNNING) for target in decision.starts))
        first = next(one for one in started if not one.status.is_final)
        ended = replace(first, status=Status.SUCCEEDED)
        wheels = {offer.filename: offer for offer in (*facts.own, replace(PURE, filename=wheel_for(first.target)))}
        started = tuple(ended if one is first else one for one in started)
        facts = replace(facts, own=tuple(wheels.values()), started=started)
        cancelled = set(decided(facts, targets=tuple(targets)).cancels)
        started = tuple(replace(one, status=Status.CANCELLED) if one.build_id in cancelled else one for one in started)
        facts = replace(facts, started=started)
    names = [offer.filename for offer in facts.own]
    for one in decision.items:
        assert one.status is ItemStatus.PRESENT
        assert one.filename is not None
        accepted = list(one.target.tags())
        ranks = {name: min(map(accepted.index, fit)) for name in names if (fit := wheel_tags(name) & set(accepted))}
        assert ranks[one.filename] == min(ranks.values())
    built = [one.target for one in facts.started if one.status is Status.SUCCEEDED]
    if told is None and kind is not WheelKind.PURE and floor == "2_17":
        assert len(built) <= (1 if kind is WheelKind.PROGRAM else len({target.python for target in targets}))
    if told is None and kind is WheelKind.PURE:
        assert len(built) == 1


def test_every_course_of_events_ends() -> None:
    """Whatever becomes of each build, deciding comes to an end with every item settled."""
    for outcomes in product((Status.SUCCEEDED, Status.FAILED, Status.CANCELLED), repeat=3):
        fates = dict(zip(TARGETS, outcomes, strict=True))
        facts = NOTHING
        while (decision := decided(facts)).starts:
            started = decision.starts
            assert not set(started) & {one.target for one in facts.started}
            facts = replace(facts, started=(*facts.started, *(news(target, fates[target]) for target in started)))
        assert all(one.status.is_final for one in decision.items)
