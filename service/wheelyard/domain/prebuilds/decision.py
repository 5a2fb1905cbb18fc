"""Decide what to do for one release of a prebuild, from facts that were looked up before."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from packaging.utils import NormalizedName, canonicalize_name

from wheelyard.domain.builds.build import Status
from wheelyard.domain.dependencies.files import InputKind, holds, kind_of_file
from wheelyard.domain.packaging.coverage import WheelKind, assign_builds, best_wheel, is_hopeless, kind_of
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.prebuilds.prebuild import Item, ItemStatus, Prebuild, Prefer, Source, Started, WheelOffer
from wheelyard.domain.untrusted.file_names import find_sdist_name
from wheelyard.domain.untrusted.requirements import find_requirement

_NEVER_MIRRORED: Final = "upstream has a wheel that fits, but this service mirrors none (WHEELYARD_MIRROR=never)"


@dataclass(frozen=True, kw_only=True, slots=True)
class ReleaseFacts:
    """The facts for a decision on one release."""

    own: Sequence[WheelOffer]
    """The release's wheels on our index."""
    upstream: Sequence[WheelOffer]
    """The release's upstream wheels that the input's hashes allow."""
    may_mirror: bool = True
    """False if the operator forbids mirroring: then upstream's wheels only show the release's kind."""
    started: Sequence[Started]
    """Builds that this prebuild started or joined for the release, at most one for each target."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """The new items of a release, the targets to build for, and the builds to cancel."""

    items: tuple[Item, ...]
    starts: tuple[Target, ...]
    cancels: tuple[str, ...] = ()
    """Unfinished builds that no item waits for any more, because an existing wheel serves their targets too."""


def decide(items: Sequence[Item], facts: ReleaseFacts, *, prefer: Prefer) -> Decision:
    """Decide which wheels serve a release, which to mirror, and which builds to start.

    Args:
        items: The release's items, one for each target.
        facts: What is known now.
        prefer: Whether upstream's wheels are acceptable.

    Returns:
        The decision. The same facts decided twice start nothing twice.
    """
    settled = {item.target: _decide_item(item, facts, prefer) for item in items}
    open_items = {target: item for target, item in settled.items() if not item.status.is_final}
    open_items = {target: item for target, item in open_items.items() if item.status is not ItemStatus.MIRROR}
    running = {one.target: one for one in facts.started if not one.status.is_final}
    failed = [one.target for one in facts.started if one.status is Status.FAILED and one.build_id is not None]
    if not running:
        for target in [target for target in open_items if is_hopeless(target, failed)]:
            settled[target] = _untried(open_items.pop(target), facts)
    kind = WheelKind.UNKNOWN if failed and not _is_proven(facts) else release_kind(facts)
    plan = assign_builds(list(open_items), list(running), kind, failed)
    for target, provider in plan.waits.items():
        reason = _why_built(open_items[target], facts, prefer)
        settled[target] = _await(open_items[target], provider, running.get(provider), reason)
    awaited = set(plan.waits.values())
    idle = (one.build_id for target, one in running.items() if target not in awaited and one.build_id is not None)
    return Decision(items=tuple(settled[item.target] for item in items), starts=plan.starts, cancels=tuple(idle))


def release_kind(facts: ReleaseFacts) -> WheelKind:
    """Return the kind by our own wheels, which show how it is built here, otherwise by upstream's."""
    own = kind_of(offer.filename for offer in facts.own if offer.source is Source.OWN)
    return own if own is not WheelKind.UNKNOWN else kind_of(offer.filename for offer in facts.upstream)


def _is_proven(facts: ReleaseFacts) -> bool:
    """Return whether a build of the release here has ever made a wheel."""
    return any(offer.source is Source.OWN for offer in facts.own)


def _untried(item: Item, facts: ReleaseFacts) -> Item:
    failed = [one for one in facts.started if one.status is Status.FAILED and one.build_id is not None]
    reason = f"not tried: it failed for {' and for '.join(str(one.target) for one in failed)}"
    hint = next((one.hint for one in failed if one.hint), "")
    return replace(item, status=ItemStatus.FAILED, reason=reason, hint=hint, waits_for=None, build_id=None)


def _decide_item(item: Item, facts: ReleaseFacts, prefer: Prefer) -> Item:
    """Return the item as it is decided without any new build."""
    own = _acceptable(facts.own, item, prefer)
    if (offer := _best(_allowed(own, item), item.target)) is not None:
        return _served(item, offer, facts.started)
    given_up = item.status is ItemStatus.FAILED and item.build_id is None
    takes_upstream = prefer is Prefer.UPSTREAM and facts.may_mirror and not given_up
    upstream = _best(_allowed(facts.upstream, item), item.target) if takes_upstream else None
    if upstream is None and (offer := _best(own, item.target)) is not None:
        return _served(item, offer, facts.started)  # the lock needs its hash
    if given_up:
        return item  # which only an existing wheel changes
    if upstream is not None:
        return _mirrored(item, upstream)
    ended = next((one for one in facts.started if one.target == item.target and one.status.is_final), None)
    if ended is not None:
        status = ItemStatus.IMPOSSIBLE if ended.build_id is None else ItemStatus.FAILED
        why = _why_ended(ended)
        failed = replace(item, status=status, reason=why, hint=ended.hint, waits_for=None, build_id=ended.build_id)
        return replace(failed, code=ended.code, blocked_by=ended.blocked_by)
    return _open(item, ItemStatus.WAITING, reason="")


def _acceptable(offers: Iterable[WheelOffer], item: Item, prefer: Prefer) -> list[WheelOffer]:
    """Return the wheels without mirrored ones that the preference or the input's hashes exclude."""
    kinds = list(offers)
    mirrored = [offer for offer in kinds if offer.source is Source.UPSTREAM] if prefer is Prefer.UPSTREAM else []
    return [offer for offer in kinds if offer.source is Source.OWN] + _allowed(mirrored, item)


def _allowed(offers: Iterable[WheelOffer], item: Item) -> list[WheelOffer]:
    """Return the wheels that the input's hashes allow; all of them if it has none."""
    return [offer for offer in offers if not item.hashes or f"sha256:{offer.sha256}" in item.hashes]


def _mirrored(item: Item, offer: WheelOffer) -> Item:
    reason = "upstream has a wheel that fits"
    fresh = _open(item, ItemStatus.MIRROR, reason=reason)
    return replace(fresh, filename=offer.filename, sha256=offer.sha256, source=Source.UPSTREAM)


def _open(item: Item, status: ItemStatus, *, reason: str) -> Item:
    """Return the item without what is known of an earlier failure or build."""
    fresh = replace(item, status=status, reason=reason, hint="", waits_for=None, build_id=None)
    return replace(fresh, code="", blocked_by="", advice=None)


def _best(offers: Iterable[WheelOffer], target: Target) -> WheelOffer | None:
    by_name = {offer.filename: offer for offer in offers}
    best = best_wheel(by_name, target)
    return None if best is None else by_name[best]


def _served(item: Item, offer: WheelOffer, started: Iterable[Started]) -> Item:
    succeeded = {one.build_id for one in started if one.status is Status.SUCCEEDED}
    build_id = item.build_id if item.build_id in succeeded else None
    # The reason for the build stays after it.
    reason = item.reason if build_id is not None and item.reason == _NEVER_MIRRORED else ""
    present = replace(_open(item, ItemStatus.PRESENT, reason=reason), build_id=build_id)
    return replace(present, filename=offer.filename, sha256=offer.sha256, source=offer.source)


def _why_ended(started: Started) -> str:
    if started.status is Status.SUCCEEDED:
        return "its wheel was built, but the target does not accept it or the index does not list it"
    return started.reason or f"its build was {started.status.value}"


def _why_built(item: Item, facts: ReleaseFacts, prefer: Prefer) -> str:
    if item.commit is not None:
        return f"it is commit {item.commit.short_commit} of {item.commit.url}"
    if item.file is not None:
        return f"it is the file at {item.file.address}"
    if prefer is Prefer.OWN:
        return "no wheel of our own fits"
    is_upstream = _best(_allowed(facts.upstream, item), item.target) is not None
    return _NEVER_MIRRORED if is_upstream and not facts.may_mirror else "no wheel fits"


def _await(item: Item, provider: Target, running: Started | None, reason: str) -> Item:
    build_id = running.build_id if running else None
    if provider == item.target:
        return replace(item, status=ItemStatus.BUILD, waits_for=provider, build_id=build_id, reason=reason)
    waits = f"the wheel for {provider} may fit"
    return replace(item, status=ItemStatus.WAITING, waits_for=provider, build_id=build_id, reason=waits)


_OPEN: Final = frozenset({InputKind.REQUIREMENTS, InputKind.PYPROJECT})


def built_for(prebuild: Prebuild) -> frozenset[str]:
    """Return the wheels of a prebuild's builds that the resolver could not see.

    The items of a lock are not checked, because a lock is complete, nor those of a brought sdist, because they are no
    application.
    """
    built = {(one.project, one.version) for one in prebuild.started if one.status is Status.SUCCEEDED}
    return frozenset(
        item.filename
        for item in prebuild.items
        if item.filename and _is_ours(item) and (item.project, item.version) in built
    )


def check_needs(prebuild: Prebuild, needs: Mapping[str, Sequence[str]]) -> Prebuild:
    """Return the prebuild with failed items where a wheel requires what the prebuild lacks for the target.

    Args:
        prebuild: A prebuild that is otherwise done.
        needs: Requirements of wheels, by file name.
    """
    releases: defaultdict[Target, dict[NormalizedName, str]] = defaultdict(dict)
    for item in prebuild.items:
        releases[item.target][item.project] = item.made_version
    checked = (_check(item, needs.get(item.filename or "", ()), releases[item.target]) for item in prebuild.items)
    return replace(prebuild, items=tuple(checked))


def _is_ours(item: Item) -> bool:
    is_sdist = find_sdist_name(item.origin.file) is not None
    is_open = kind_of_file(item.origin.file) in _OPEN and not item.hashes and not is_sdist
    return item.status is ItemStatus.PRESENT and item.source is Source.OWN and is_open


def _check(item: Item, needs: Iterable[str], releases: Mapping[NormalizedName, str]) -> Item:
    unmet = [need for need in needs if not _is_met(need, item.target, releases)]
    if not unmet:
        return item
    reason = f"its wheel needs {', '.join(unmet)}, which its sdist did not say"
    hint = "Ask again: it is known now."
    return replace(item, status=ItemStatus.FAILED, reason=reason, hint=hint, build_id=None)


def _is_met(need: str, target: Target, releases: Mapping[NormalizedName, str]) -> bool:
    requirement = find_requirement(need)
    if requirement is None:
        return True  # installers treat it in their own ways
    if not holds(requirement.marker, target):
        return True
    version = releases.get(canonicalize_name(requirement.name))
    return version is not None and requirement.specifier.contains(version, prereleases=True)
