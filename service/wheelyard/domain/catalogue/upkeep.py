"""Upkeep of images: which ones to remove, and what a refresh changed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from wheelyard.domain.catalogue.packages import PackageChange

GRACE: Final = timedelta(minutes=10)
"""An image that was used this lately stays: a build may be about to start a container of it."""
OUTDATED: Final = timedelta(days=7)
"""An image of an older definition stays this long after its last use: the upgrade that brought the newer one may be
taken back."""


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
    """Why it could not be made anew although others were; empty if nothing went wrong."""


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
