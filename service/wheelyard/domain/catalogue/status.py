"""The status of builders: the catalogue's suites and the engines' images of them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from wheelyard.domain.catalogue.catalogue import Catalogue
from wheelyard.domain.catalogue.images import ImageRecord
from wheelyard.domain.catalogue.packages import PackageChange
from wheelyard.domain.catalogue.reach import PythonReach
from wheelyard.domain.catalogue.suites import Suite
from wheelyard.domain.catalogue.upkeep import Fallback, RefreshReport

ROLES: Final = ("builder", "runtime", "toolchain", "environment")
"""The roles of images in lists; intermediate images are not listed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageSummary:
    """An image of a suite on a host."""

    id: str
    name: str
    role: str
    """``builder``, ``runtime``, ``toolchain`` or ``environment``."""
    suite: str
    python: str
    """Full versions of its Pythons, separated by commas."""
    size_bytes: int
    created: datetime
    revision: str
    """Time of its refresh; empty if it was never refreshed."""
    current: bool
    """False if its definition, or its builder's, is no longer the catalogue's."""
    added: str = ""
    """Toolchains and system packages in addition to its builder's, separated by commas."""
    host: str = ""
    """Host of the worker that reported it."""
    stands_in: str = ""
    """Why it is a fallback image: its successor could not be made. Empty if it is not one."""
    optimised: str = ""
    """Those of its Pythons that were compiled with a profile, separated by commas."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PendingUpdates:
    """The updates that a suite's images lacked at the last check."""

    checked: datetime
    changes: tuple[PackageChange, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineImages:
    """Wheelyard's images in one container engine."""

    engine: str
    """The identity of the engine: workers may share one."""
    host: str
    """Host of the worker that reported them."""
    images: tuple[ImageSummary, ...]
    pending: Mapping[str, PendingUpdates]
    """By suite, without suites that were never checked."""
    refreshed: Mapping[str, RefreshReport] = field(default_factory=dict)
    """The last refresh that made images anew, by suite."""
    pythons: tuple[PythonReach, ...] | None = None
    """Which Pythons this engine can have; None before its worker has looked for their sources."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BuilderStatus:
    """A suite of the catalogue and its images."""

    suite: str
    kind: str
    """``mmdebstrap`` for images that are made here, ``image`` for external ones."""
    policy: str
    architectures: tuple[str, ...]
    pythons: tuple[str, ...]
    warning: str
    images: tuple[ImageSummary, ...]
    pending: PendingUpdates | None
    """None before the first check."""
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
        optimised=labels.get("optimised", ""),
    )


def describe_builders(catalogue: Catalogue, engines: Sequence[EngineImages]) -> tuple[BuilderStatus, ...]:
    """Return the status of each suite, in the catalogue's order.

    The pending updates are those of the engine that lacks the most.
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
