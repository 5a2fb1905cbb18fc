"""Upkeep of images: which ones to remove, and what a refresh changed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from wheelyard.domain.catalogue.images import ImageName, ImageRecord
from wheelyard.domain.catalogue.packages import PackageChange

GRACE: Final = timedelta(minutes=10)
"""An image that was used this lately stays: a build may be about to start a container of it."""
OUTDATED: Final = timedelta(days=7)
"""An image of an older definition stays this long after its last use: the upgrade that brought the newer one may be
taken back."""
WARM: Final = timedelta(days=7)
"""An extension that a build used this lately gets a successor together with its builder."""
PAUSE: Final = timedelta(minutes=10)
"""So long nobody tries again to make an image that has a fallback: each build would wait for a mirror's silence."""
_DEFINED: Final = frozenset({"base", "builder", "python", "pythons", "runtime"})


@dataclass(frozen=True, kw_only=True, slots=True)
class UsedImage:
    """An image that can be made again, and when it was last of use."""

    id: str
    name: str
    size_bytes: int
    """What it takes beyond the image that it is made from."""
    last_used: datetime
    built_on: str = ""
    """Id of the image that it is made from."""
    superseded: bool = False
    """True if another one is in its place, or it was never finished, so that no build will ask for it again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PruneRules:
    """What an operator lets images take."""

    budget_bytes: int
    """What environments and toolchains may take together."""
    longest_build: timedelta
    """A superseded image stays this long: a build that began before may still start a container of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageRefresh:
    """What a refresh found, and did, about one image."""

    image: str
    """Its name."""
    pending: tuple[PackageChange, ...]
    """Updates that the archive had for it."""
    changes: tuple[PackageChange, ...] = ()
    """What differs between the old image and the new one that took its place; nothing if none was made."""
    refreshed: bool = False
    problem: str = ""
    """Why it could not be made again although others were; empty if nothing went wrong."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RefreshReport:
    """What one refresh of a suite found, and did."""

    at: datetime
    """When it ended."""
    images: tuple[ImageRefresh, ...]
    host: str = ""
    """Host of the worker that reported it."""

    @property
    def changes(self) -> tuple[PackageChange, ...]:
        """Return the changes in all images, each once."""
        return tuple(sorted({change for image in self.images if image.refreshed for change in image.changes}))


@dataclass(frozen=True, kw_only=True, slots=True)
class Fallback:
    """An image that serves in another one's place."""

    definition: str
    """Of the image that could not be made."""
    image: str
    """Id of the one that serves."""
    reason: str
    since: datetime
    """When the other one last could not be made."""

    def is_fresh(self, now: datetime) -> bool:
        """Whether it is too early to try again."""
        return now - self.since < PAUSE


def choose_fallback(images: Sequence[ImageRecord], name: ImageName) -> ImageRecord | None:
    """Choose the newest complete image of the same suite, Python and role; none if the wanted image is there after all.

    See docs/decisions/0022-older-images-stand-in.md.
    """
    if any(image.definition == name.definition and image.family for image in images):
        return None
    return max((image for image in images if image.family == name.family), key=_age, default=None)


def _age(image: ImageRecord) -> datetime:
    return image.created_at


def find_outdated(images: Sequence[ImageRecord], current: Mapping[str, str]) -> Iterator[ImageRecord]:
    """Yield the images of older definitions whose successors are there; ``current`` has the definitions by family.

    Without a successor one may have to stand in for it. An image that the catalogue does not know at all may be that
    of another service on this engine.
    """
    there = {image.definition for image in images if image.family}
    for image in images:
        wanted = current.get(image.family)
        if image.role in _DEFINED and wanted in there and image.definition != wanted:
            yield image


def find_extensions(images: Sequence[ImageRecord], bases: Iterable[str]) -> tuple[ImageRecord, ...]:
    """List the toolchains and environments that are made from images, directly or not; none before what is below it."""
    found: list[ImageRecord] = []
    level = set(bases)
    while layer := [image for image in images if image.is_extension and image.built_on in level]:
        found += layer
        level = {image.id for image in layer}
    return tuple(found)


def find_warm(extensions: Sequence[ImageRecord], last_uses: Mapping[str, datetime], *, now: datetime) -> frozenset[str]:
    """Return the ids of the extensions that builds used lately, and of what those are made from.

    Others are made when they are next requested, from the archive as it is then.
    """
    warm = set[str]()
    for one in reversed(extensions):
        if one.id in warm or (one.id in last_uses and now - last_uses[one.id] < WARM):
            warm |= {one.id, one.built_on}
    return frozenset(warm)


@dataclass(frozen=True, kw_only=True, slots=True)
class HostImages:
    """What a host has of images, and when they were of use."""

    named: Sequence[ImageRecord]
    stages: Sequence[ImageRecord] = ()
    """Those without a name that were left on the way to others."""
    superseded: Sequence[tuple[ImageRecord, datetime]] = ()
    """Those whose name another one took, and when."""
    below: Mapping[str, ImageRecord]
    """Images that extensions are made from, by id."""
    last_uses: Mapping[str, datetime]
    """When builds last used them, by id; an image that none used is not there."""
    current: Mapping[str, str]
    """The definitions that images have now, by family."""


def find_removable(host: HostImages, *, now: datetime) -> Iterator[UsedImage]:
    """Yield extensions, and the images that nobody will ask for again."""
    uses = host.last_uses
    for image in host.named:
        if image.is_extension:
            below = host.below.get(image.built_on)
            size = image.size_bytes - (below.size_bytes if below else 0)
            last_used = uses.get(image.id, image.created_at)
            yield UsedImage(id=image.id, name=image.name, size_bytes=size, last_used=last_used, built_on=image.built_on)
    for image, since in host.superseded:
        if image.has_lost_its_name:
            name = f"{image.role} of {image.labels.get('suite', 'no suite')}, superseded"
            yield _describe_over(image, name, max(since, uses.get(image.id, since)))
    for image in host.named:
        # Under way to become an image: a draft, or one of a refresh; or it was, when its process was killed.
        if not image.family:
            yield _describe_over(image, image.name, image.created_at)
    for image in find_outdated(host.named, host.current):
        last_used = uses.get(image.id, image.created_at)
        if now - last_used >= OUTDATED:
            yield _describe_over(image, image.name, last_used)
    for image in host.stages:
        name = f"stage of an image of {image.labels.get('suite', 'no suite')}"
        yield _describe_over(image, name, image.created_at)


def _describe_over(image: ImageRecord, name: str, last_used: datetime) -> UsedImage:
    return UsedImage(
        id=image.id,
        name=name,
        size_bytes=image.size_bytes,
        last_used=last_used,
        built_on=image.built_on,
        superseded=True,
    )


def choose_unused(images: Sequence[UsedImage], *, rules: PruneRules, now: datetime) -> tuple[UsedImage, ...]:
    """Choose what to remove, in an order in which no image goes before those that are made from it.

    Superseded images go with all that is made from them. Of the others go those that were used longest ago, until the
    rest fits the budget.
    """
    chains = _trace_chains(images)
    uses = _find_last_uses(chains)
    by_age = sorted(images, key=lambda one: (uses[one.id], -len(chains[one.id])))
    families = {one.id: next((part for part in chains[one.id] if part.superseded), None) for one in images}
    superseded = [one for one in by_age if _is_over(families[one.id], uses, rules, now)]
    leaves_first = sorted(superseded, key=lambda one: -len(chains[one.id]))
    current = [one for one in by_age if families[one.id] is None]
    return (*leaves_first, *_choose_oldest(current, uses, rules, now))


def _trace_chains(images: Sequence[UsedImage]) -> dict[str, tuple[UsedImage, ...]]:
    """List each image with those that it is made from."""
    by_id = {image.id: image for image in images}

    def trace(image: UsedImage | None) -> Iterator[UsedImage]:
        while image is not None:
            yield image
            image = by_id.get(image.built_on)

    return {image.id: tuple(trace(image)) for image in images}


def _find_last_uses(chains: Mapping[str, tuple[UsedImage, ...]]) -> dict[str, datetime]:
    """Return the last use of each image; an image's use also counts for the images that it is made from."""
    uses: dict[str, datetime] = {}
    for image, *below in chains.values():
        for one in (image, *below):
            uses[one.id] = max(uses.get(one.id, one.last_used), image.last_used)
    return uses


def _is_over(family: UsedImage | None, uses: Mapping[str, datetime], rules: PruneRules, now: datetime) -> bool:
    return family is not None and now - uses[family.id] >= rules.longest_build


def _choose_oldest(
    images: Sequence[UsedImage], uses: Mapping[str, datetime], rules: PruneRules, now: datetime
) -> Iterator[UsedImage]:
    excess = sum(image.size_bytes for image in images) - rules.budget_bytes
    for image in images:
        if excess <= 0:
            return
        if now - uses[image.id] >= GRACE:
            excess -= image.size_bytes
            yield image
