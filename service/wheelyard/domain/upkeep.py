"""Upkeep of images: which ones go when the disk budget is exceeded, and what a refresh changed. Must not act on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from wheelyard.domain.packages import PackageChange

GRACE: Final = timedelta(minutes=10)
"""An image that was used this lately stays: a build may be about to start a container of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class UsedImage:
    """An image that can be made again, and when it was last of use."""

    id: str
    name: str
    size_bytes: int
    """What it takes beyond the image that it is made from."""
    last_used: datetime


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


def choose_unused(images: Sequence[UsedImage], *, budget_bytes: int, now: datetime) -> tuple[UsedImage, ...]:
    """Choose what to remove so that the rest fits the budget: what was used longest ago goes first."""
    excess = sum(image.size_bytes for image in images) - budget_bytes
    chosen: list[UsedImage] = []
    for image in sorted(images, key=lambda one: one.last_used):
        if excess <= 0:
            break
        if now - image.last_used >= GRACE:
            chosen.append(image)
            excess -= image.size_bytes
    return tuple(chosen)
