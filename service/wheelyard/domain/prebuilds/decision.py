"""Decide what is to be done for one release of a prebuild. Must not do any of it, nor look anything up."""

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
from wheelyard.domain.untrusted.requirements import find_requirement

_NEVER_MIRRORED: Final = "upstream has a wheel that fits, but this service mirrors none (WHEELYARD_MIRROR=never)"


@dataclass(frozen=True, kw_only=True, slots=True)
class ReleaseFacts:
    """Everything that the decision over one release needs."""

    own: Sequence[WheelOffer]
    """Wheels of the release that our index has."""
    upstream: Sequence[WheelOffer]
    """Wheels of the release that upstream has and that the input's hashes allow."""
    may_mirror: bool = True
    """False if the operator lets nothing be mirrored: then upstream's wheels only tell the release's kind."""
    started: Sequence[Started]
    """Builds that this prebuild has started or joined for the release, at most one for each target."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """A release's items as they stand now, the targets to start a build for, and the builds that are superfluous."""

    items: tuple[Item, ...]
    starts: tuple[Target, ...]
    cancels: tuple[str, ...] = ()
    """Builds on their way that no item waits for any more: a wheel that is there serves their targets too."""


def decide(items: Sequence[Item], facts: ReleaseFacts, *, prefer: Prefer) -> Decision:
    """Decide over one release: which wheels serve it, which are to be mirrored, which builds to start.

    Args:
        items: The release's items, one for each target.
        facts: What is known now.
        prefer: Whether upstream's wheels will do.

    Returns:
        The items anew. Deciding twice over the same facts starts nothing twice.
    """
    settled = {item.target: _settle(item, facts, prefer) for item in items}
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
    """Tell the kind by our own wheels, which show how it is built here, else by upstream's."""
    own = kind_of(offer.filename for offer in facts.own if offer.source is Source.OWN)
    return own if own is not WheelKind.UNKNOWN else kind_of(offer.filename for offer in facts.upstream)


def _is_proven(facts: ReleaseFacts) -> bool:
    """Tell whether a build of the release has made a wheel, here and at some time."""
    return any(offer.source is Source.OWN for offer in facts.own)


def _untried(item: Item, facts: ReleaseFacts) -> Item:
    failed = [one for one in facts.started if one.status is Status.FAILED and one.build_id is not None]
    reason = f"not tried: it failed for {' and for '.join(str(one.target) for one in failed)}"
    hint = next((one.hint for one in failed if one.hint), "")
    return replace(item, status=ItemStatus.FAILED, reason=reason, hint=hint, waits_for=None, build_id=None)


def _settle(item: Item, facts: ReleaseFacts, prefer: Prefer) -> Item:
    """Tell what is certain of an item without starting anything."""
    own = _acceptable(facts.own, item, prefer)
    if (offer := _best(_allowed(own, item), item.target)) is not None:
        return _served(item, offer, facts.started)
    given_up = item.status is ItemStatus.FAILED and item.build_id is None
    takes_upstream = prefer is Prefer.UPSTREAM and facts.may_mirror and not given_up
    upstream = _best(_allowed(facts.upstream, item), item.target) if takes_upstream else None
    if upstream is None and (offer := _best(own, item.target)) is not None:
        return _served(item, offer, facts.started)  # the lock has to be told of it
    if given_up:
        return item  # which only a wheel that is there changes
    if upstream is not None:
        return _mirrored(item, upstream)
    ended = next((one for one in facts.started if one.target == item.target and one.status.is_final), None)
    if ended is not None:
        status = ItemStatus.IMPOSSIBLE if ended.build_id is None else ItemStatus.FAILED
        why = _why_ended(ended)
        return replace(item, status=status, reason=why, hint=ended.hint, waits_for=None, build_id=ended.build_id)
    return replace(item, status=ItemStatus.WAITING, reason="", hint="", waits_for=None, build_id=None)


def _acceptable(offers: Iterable[WheelOffer], item: Item, prefer: Prefer) -> list[WheelOffer]:
    """Leave out mirrored wheels where our own are asked for, or where the input's hashes do not allow them."""
    kinds = list(offers)
    mirrored = [offer for offer in kinds if offer.source is Source.UPSTREAM] if prefer is Prefer.UPSTREAM else []
    return [offer for offer in kinds if offer.source is Source.OWN] + _allowed(mirrored, item)


def _allowed(offers: Iterable[WheelOffer], item: Item) -> list[WheelOffer]:
    """List those that the input's hashes allow, if it has any."""
    return [offer for offer in offers if not item.hashes or f"sha256:{offer.sha256}" in item.hashes]


def _mirrored(item: Item, offer: WheelOffer) -> Item:
    reason = "upstream has a wheel that fits"
    fresh = replace(item, status=ItemStatus.MIRROR, reason=reason, hint="", waits_for=None, build_id=None)
    return replace(fresh, filename=offer.filename, sha256=offer.sha256, source=Source.UPSTREAM)


def _best(offers: Iterable[WheelOffer], target: Target) -> WheelOffer | None:
    by_name = {offer.filename: offer for offer in offers}
    best = best_wheel(by_name, target)
    return None if best is None else by_name[best]


def _served(item: Item, offer: WheelOffer, started: Iterable[Started]) -> Item:
    succeeded = {one.build_id for one in started if one.status is Status.SUCCEEDED}
    build_id = item.build_id if item.build_id in succeeded else None
    # Why it was built stays known, once it is.
    reason = item.reason if build_id is not None and item.reason == _NEVER_MIRRORED else ""
    present = replace(item, status=ItemStatus.PRESENT, reason=reason, hint="", waits_for=None, build_id=build_id)
    return replace(present, filename=offer.filename, sha256=offer.sha256, source=offer.source)


def _why_ended(started: Started) -> str:
    if started.status is Status.SUCCEEDED:
        return "its wheel was built, but the target does not accept it or the index does not list it"
    return started.reason or f"its build was {started.status.value}"


def _why_built(item: Item, facts: ReleaseFacts, prefer: Prefer) -> str:
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
    """Name the wheels that builds of a prebuild made, and that a resolver had not seen when it chose.

    A lock is taken at its word, so what serves its items is not looked at.
    """
    built = {(one.project, one.version) for one in prebuild.started if one.status is Status.SUCCEEDED}
    return frozenset(
        item.filename
        for item in prebuild.items
        if item.filename and _is_ours(item) and (item.project, item.version) in built
    )


def check_needs(prebuild: Prebuild, needs: Mapping[str, Sequence[str]]) -> Prebuild:
    """Let items fail whose wheel needs what the prebuild does not have for their target.

    Args:
        prebuild: One of which nothing more is to be done.
        needs: What wheels require, by file name.
    """
    releases: defaultdict[Target, dict[NormalizedName, str]] = defaultdict(dict)
    for item in prebuild.items:
        releases[item.target][item.project] = item.version
    checked = (_check(item, needs.get(item.filename or "", ()), releases[item.target]) for item in prebuild.items)
    return replace(prebuild, items=tuple(checked))


def _is_ours(item: Item) -> bool:
    is_open = kind_of_file(item.origin.file) in _OPEN and not item.hashes
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
        return True  # an installer has its own way with it
    if not holds(requirement.marker, target):
        return True
    version = releases.get(canonicalize_name(requirement.name))
    return version is not None and requirement.specifier.contains(version, prereleases=True)
