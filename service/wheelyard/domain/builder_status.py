"""What there is to build with: the catalogue's suites and a host's images of them. Must not ask an engine."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from wheelyard.domain.catalogue import Catalogue, Suite
from wheelyard.domain.packages import PackageChange


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageSummary:
    """An image of a suite that a host has."""

    id: str
    name: str
    role: str
    """``builder`` or ``runtime``."""
    suite: str
    python: str
    """Pythons that it has, by full version, with commas."""
    size_bytes: int
    created: datetime
    revision: str
    """When it was refreshed; empty if it never was."""
    current: bool
    """False if its definition is no longer the catalogue's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PendingUpdates:
    """The updates that a suite's images lacked when somebody last looked."""

    checked: datetime
    changes: tuple[PackageChange, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class BuilderStatus:
    """A suite of the catalogue, and what a host has of it."""

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


def describe_builders(
    catalogue: Catalogue, images: Sequence[ImageSummary], pending: dict[str, PendingUpdates]
) -> tuple[BuilderStatus, ...]:
    """Put the catalogue and a host's images side by side, in the catalogue's order."""
    return tuple(
        BuilderStatus(
            suite=name,
            kind="mmdebstrap" if isinstance(entry, Suite) else "image",
            policy=entry.policy,
            architectures=entry.architectures,
            pythons=entry.pythons,
            warning=entry.warning,
            images=_of_suite(images, name),
            pending=pending.get(name),
        )
        for name, entry in catalogue.suite.items()
    )


def _of_suite(images: Iterable[ImageSummary], suite: str) -> tuple[ImageSummary, ...]:
    own = (image for image in images if image.suite == suite and image.role in {"builder", "runtime"})
    return tuple(sorted(own, key=lambda image: (image.role, image.name, image.created)))
