"""What there is to build with: the catalogue's suites and the engines' images of them. Must not ask an engine."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from wheelyard.domain.catalogue.catalogue import Catalogue
from wheelyard.domain.catalogue.images import ImageRecord
from wheelyard.domain.catalogue.packages import PackageChange
from wheelyard.domain.catalogue.suites import Suite
from wheelyard.domain.catalogue.upkeep import Fallback, RefreshReport

ROLES: Final = ("builder", "runtime", "toolchain", "environment")
"""What images are for; those that are only made on the way to others are not listed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageSummary:
    """An image of a suite that a host has."""

    id: str
    name: str
    role: str
    """``builder``, ``runtime``, ``toolchain`` or ``environment``."""
    suite: str
    python: str
    """Pythons that it has, by full version, with commas."""
    size_bytes: int
    created: datetime
    revision: str
    """When it was refreshed; empty if it never was."""
    current: bool
    """False if its definition, or that of the builder that it is made from, is no longer the catalogue's."""
    added: str = ""
    """Toolchains and system packages that it has beyond its builder, with commas."""
    host: str = ""
    """Host of the worker that told of it."""
    stands_in: str = ""
    """Why it is in use although it is outdated: its successor could not be made. Empty if it is not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PendingUpdates:
    """The updates that a suite's images lacked when somebody last looked."""

    checked: datetime
    changes: tuple[PackageChange, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineImages:
    """The images of ours that one container engine has."""

    engine: str
    """What tells the engine from others: workers may share one."""
    host: str
    """Host of the worker that looked."""
    images: tuple[ImageSummary, ...]
    pending: Mapping[str, PendingUpdates]
    """By suite; suites that nobody has looked at are not there."""
    refreshed: Mapping[str, RefreshReport] = field(default_factory=dict)
    """The last refresh that made images anew, by suite; suites without one are not there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BuilderStatus:
    """A suite of the catalogue, and what engines have of it."""

    suite: str
    kind: str
    """``mmdebstrap`` for images that are made here, ``image`` for those of others."""
    policy: str
    architectures: tuple[str, ...]
    pythons: tuple[str, ...]
    warning: str
    images: tuple[ImageSummary, ...]
    pending: PendingUpdates | None
    """None if nobody has looked yet."""
    refreshes: tuple[RefreshReport, ...] = ()
    """The last refresh on each engine that made images anew, newest first."""


def summarise_images(
    images: Sequence[ImageRecord], *, current: Collection[str], fallbacks: Iterable[Fallback]
) -> tuple[ImageSummary, ...]:
    """Describe the images of an engine; ``current`` has the definitions that images have now."""
    by_id = {image.id: image for image in images}
    missing = set(current) - {image.definition for image in images}
    reasons = {one.image: one.reason for one in fallbacks if one.definition in missing}
    return tuple(
        _summarise(image, is_current=_root(image, by_id).definition in current, stands_in=reasons.get(image.id, ""))
        for image in images
    )


def _root(image: ImageRecord, by_id: Mapping[str, ImageRecord]) -> ImageRecord:
    """Find the builder that an environment or a toolchain is made from; without it the image itself is left."""
    while (below := by_id.get(image.built_on)) is not None:
        image = below
    return image


def _summarise(image: ImageRecord, *, is_current: bool, stands_in: str) -> ImageSummary:
    labels = image.labels
    added = (labels.get("toolchains", ""), labels.get("apt", ""))
    return ImageSummary(
        id=image.id,
        name=image.name,
        role=image.role,
        suite=labels.get("suite", ""),
        python=labels.get("python-version") or labels.get("python", ""),
        size_bytes=image.size_bytes,
        created=image.created_at,
        revision=labels.get("revision", ""),
        current=is_current,
        added=",".join(part for part in added if part),
        stands_in=stands_in,
    )


def describe_builders(catalogue: Catalogue, engines: Sequence[EngineImages]) -> tuple[BuilderStatus, ...]:
    """Put the catalogue and the engines' images side by side, in the catalogue's order.

    Of the updates that a suite's images lack, those of the engine that lacks most are told.
    """
    images = [replace(image, host=engine.host) for engine in engines for image in engine.images]
    return tuple(
        BuilderStatus(
            suite=name,
            kind="mmdebstrap" if isinstance(entry, Suite) else "image",
            policy=entry.policy,
            architectures=entry.architectures,
            pythons=entry.pythons,
            warning=entry.warning,
            images=_of_suite(images, name),
            pending=_most_pending(engines, name),
            refreshes=_last_refreshes(engines, name),
        )
        for name, entry in catalogue.suite.items()
    )


def _most_pending(engines: Iterable[EngineImages], suite: str) -> PendingUpdates | None:
    found = (engine.pending[suite] for engine in engines if suite in engine.pending)
    return max(found, key=lambda one: (len(one.changes), one.checked), default=None)


def _last_refreshes(engines: Iterable[EngineImages], suite: str) -> tuple[RefreshReport, ...]:
    found = (replace(one.refreshed[suite], host=one.host) for one in engines if suite in one.refreshed)
    return tuple(sorted(found, key=lambda report: report.at, reverse=True))


def _of_suite(images: Iterable[ImageSummary], suite: str) -> tuple[ImageSummary, ...]:
    own = (image for image in images if image.suite == suite and image.role in ROLES)
    return tuple(sorted(own, key=lambda image: (ROLES.index(image.role), image.name, image.host, image.created)))
