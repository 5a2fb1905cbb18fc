"""Refreshes of a host's images, which install security updates.

An image stays in use until its successor is complete. Successors are made under names of their own. When all of a suite
are complete, they take the old names together. Running builds refer to their image by its id.
"""

import asyncio
import copy
import functools
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Self

from wheelyard.adapters.host.disk import disk_errors
from wheelyard.adapters.host.file_lock import FileLock
from wheelyard.adapters.host.files import write_atomic
from wheelyard.adapters.host.process import LineCallback
from wheelyard.adapters.images.build import ImageRun
from wheelyard.adapters.images.builder import ImageBuilder
from wheelyard.adapters.images.contents import read_packages
from wheelyard.adapters.images.names import find_image
from wheelyard.adapters.images.prune import Clock, ImagePruning, utc_now
from wheelyard.adapters.images.reports import PendingFile, RefreshReports
from wheelyard.domain.catalogue.images import ImageName, ImageRecord
from wheelyard.domain.catalogue.package_managers import APT, PackageManager
from wheelyard.domain.catalogue.packages import PackageChange, compare_packages, mark_security
from wheelyard.domain.catalogue.upkeep import ImageRefresh, RefreshReport, UsedImage, find_extensions, find_warm
from wheelyard.errors import (
    AlreadyRunningError,
    DiskFullError,
    EngineUnavailableError,
    NotFoundError,
    OperatorError,
    WheelyardError,
)
from wheelyard.logs import get_logger

_log = get_logger(__name__)


async def find_updates(run: ImageRun, image: ImageRecord) -> tuple[PackageChange, ...]:
    """Return an image's updates from the archive, asked as root in a temporary container; it runs no project's code.

    Raises:
        MirrorUnreachableError: The archive does not answer.
        SuiteUnavailableError: The archive no longer has the suite.
    """
    simulated = await run.ask_archive(image, image.manager.list_updates)
    return image.manager.parse_updates(simulated.text)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Present:
    """An image of a suite that this host has, and how its successor is made."""

    record: ImageRecord
    name: ImageName
    make: Callable[[], Awaitable[str]]
    """Makes its successor, under the name that has the revision."""


async def _remake(images: ImageBuilder, image: ImageRecord, *, below: str) -> str:
    """Make the successor of an extension on an image, and return its id; raise what making images raises."""
    labels = image.labels
    if image.role == "toolchain":
        newest = labels["toolchains"].rpartition(",")[2]
        return await images.ensure_toolchains(below, labels["suite"], [newest])
    return await images.ensure_environment(below, labels["apt"].split(","))


@dataclass(kw_only=True, slots=True)
class _Renewal:
    """What one refresh of a suite has made so far, each image beside the old one."""

    images: ImageBuilder
    """Makes images under names that have the revision."""
    revision: str
    found: dict[str, ImageRefresh]
    """What each image lacks, by id, in the order of the report."""
    names: list[ImageName] = field(default_factory=list)
    """Names of the images that were made or are being made."""
    successors: dict[str, str] = field(default_factory=dict)
    """The new image's id by the old one's."""

    async def make(self, old: _Present) -> None:
        """Make the successor of a builder or a runtime."""
        self.names.append(old.name)
        self.successors[old.record.id] = await old.make()

    async def extend(self, extensions: Sequence[ImageRecord], *, warm: Collection[str]) -> None:
        """Make successors of the extensions that lack updates, and of the warm ones whose builder has one."""
        for one in extensions:
            below = one.built_on
            if self.found[one.id].pending or (below in self.successors and one.id in warm):
                await self._extend(one, self.successors.get(below, below))

    async def _extend(self, old: ImageRecord, below: str) -> None:
        try:
            new = await _remake(self.images, old, below=below)
        except EngineUnavailableError:
            raise
        except WheelyardError as error:
            self.images.run.report(f"{old.name} stays as it is: {error.summary}")
            self.found[old.id] = replace(self.found[old.id], problem=error.summary)
            return
        self.names.append(await self._name(new, old))
        self.successors[old.id] = new

    async def _name(self, image: str, old: ImageRecord) -> ImageName:
        made = await find_image(self.images.run.engine, image)
        if made is None:
            raise NotFoundError(kind="image", name=image)
        name = old.family.partition("/")[2]
        return ImageName(name=name, definition=made.definition, revision=self.revision)

    async def report(self) -> tuple[ImageRefresh, ...]:
        """Return what changed in each image."""
        return tuple([await self._report(image) for image in self.found])

    async def _manager(self, image: str) -> PackageManager:
        found = await find_image(self.images.run.engine, image)
        return APT if found is None else found.manager

    async def _report(self, image: str) -> ImageRefresh:
        found, new = self.found[image], self.successors.get(image)
        if new is None:
            return found
        manager = await self._manager(image)
        before, after = [await read_packages(self.images.run.engine, one, manager=manager) for one in (image, new)]
        changes = mark_security(compare_packages(before, after), found.pending)
        return replace(found, changes=changes, refreshed=True)


class ImageUpkeep:
    """Refreshes the images of one host.

    Args:
        images: Makes images.
        folder: Folder of this host's records.
        pruning: Records which images were superseded, and removes them when no build can need them any more.
        clock: Returns the time.
    """

    def __init__(self, *, images: ImageBuilder, folder: Path, pruning: ImagePruning, clock: Clock = utc_now) -> None:
        self._images = images
        self._pending = PendingFile(folder / "pending.json")
        self._reports = RefreshReports(folder / "refreshes")
        self._pruning = pruning
        self._clock = clock

    def reporting_to(self, report: LineCallback) -> Self:
        """Return an ImageUpkeep that reports its lines there."""
        other = copy.copy(self)
        other._images = self._images.reporting_to(report)  # noqa: SLF001  its own kind
        return other

    async def check(self, suite: str) -> tuple[ImageRefresh, ...]:
        """Return the pending updates of each image of a suite, including toolchains and environments."""
        present = await self._present(suite, self._images)
        extensions = find_extensions(await self._images.list_images(), [one.record.id for one in present])
        found = await self._check(suite, [*(one.record for one in present), *extensions])
        return tuple(found.values())

    async def refresh(self, suite: str) -> tuple[ImageRefresh, ...]:
        """Make the successors of a suite's images if any of them lacks updates, and return what changed.

        A toolchain or an environment that lacks updates is made again by itself. One that cannot be made (its package
        has left the archive) stays as it is, and the report has the reason.

        Raise OperatorError if anything else fails; the old images then stay in use.
        """
        revision = self._clock().strftime("%Y%m%dT%H%M%S")
        images = self._images.revised(revision)
        present = await self._present(suite, images)
        extensions = find_extensions(await self._images.list_images(), [one.record.id for one in present])
        found = await self._check(suite, [*(one.record for one in present), *extensions])
        if not any(report.pending for report in found.values()):
            return tuple(found.values())
        renewal = _Renewal(images=images, revision=revision, found=found)
        try:
            if any(found[one.record.id].pending for one in present):
                renewal.names += await images.base_names(suite)
                for one in present:
                    await renewal.make(one)
            last_uses = await self._pruning.last_uses(extensions)
            await renewal.extend(extensions, warm=find_warm(extensions, last_uses, now=self._clock()))
            reports = await renewal.report()
            for name in renewal.names:
                await self._take_over(name)
        finally:
            for name in renewal.names:
                await self._images.run.engine.run(["image", "rm", name.tag], check=False)
        with disk_errors(self._images.run.options.lock_dir):
            await asyncio.to_thread(self._reports.write, suite, reports, now=self._clock())
        await self._look_again(suite)
        return reports

    async def adopt(self, suite: str) -> tuple[str, ...]:
        """Make successors of the images that lack an optimised Python which is there, and return the images' names.

        They keep their system packages, as far as the engine still has those in its cache. The old images stay in use
        until all of a suite's are complete.

        Raise OperatorError if one cannot be made; the old images then stay in use.
        """
        if not await self._images.base_names(suite):
            return ()
        present = await self._present(suite, self._images)
        lagging = [one.record for one in present if await self._images.lagging(suite, one.record)]
        revision = self._clock().strftime("%Y%m%dT%H%M%S")
        names: list[ImageName] = []
        for kept in dict.fromkeys(record.labels.get("revision", "") for record in lagging):
            chosen = {record.id for record in lagging if record.labels.get("revision", "") == kept}
            names += await self._adopt(suite, self._images.revised(revision, kept=kept), chosen)
        return tuple(name.current_tag for name in names)

    async def _adopt(self, suite: str, images: ImageBuilder, chosen: Collection[str]) -> list[ImageName]:
        present = [one for one in await self._present(suite, images) if one.record.id in chosen]
        extensions = find_extensions(await images.list_images(), chosen)
        found = {image.id: ImageRefresh(image=image.name, pending=()) for image in extensions}
        renewal = _Renewal(images=images, revision=images.revision, found=found)
        try:
            for one in present:
                await renewal.make(one)
            last_uses = await self._pruning.last_uses(extensions)
            await renewal.extend(extensions, warm=find_warm(extensions, last_uses, now=self._clock()))
            for name in renewal.names:
                await self._take_over(name)
        finally:
            for name in renewal.names:
                await images.run.engine.run(["image", "rm", name.tag], check=False)
        return renewal.names

    async def last_report(self, suite: str) -> RefreshReport | None:
        """Return the report of the last refresh that changed images; None if there was none."""
        return await asyncio.to_thread(self._reports.read, suite)

    async def _take_over(self, name: ImageName) -> None:
        """Give a new image the name that is in use."""
        old = await find_image(self._images.run.engine, name.current_tag)
        if old is not None:
            await self._pruning.note_superseded(old.id)
        await self._images.run.engine.run(["tag", name.tag, name.current_tag])

    async def _check(self, suite: str, images: Sequence[ImageRecord]) -> dict[str, ImageRefresh]:
        """Return what each image lacks, by id."""
        reports = {}
        for image in images:
            self._images.run.report(f"{image.name}: looking for updates")
            pending = await find_updates(self._images.run, image)
            reports[image.id] = ImageRefresh(image=image.name, pending=pending)
        changes = tuple(sorted({change for report in reports.values() for change in report.pending}))
        if images:
            with disk_errors(self._images.run.options.lock_dir):
                await asyncio.to_thread(self._pending.write, suite, changes, now=self._clock())
        return reports

    async def _look_again(self, suite: str) -> None:
        """Record what the new images still lack. They are already in use, so a silent mirror is no error here."""
        try:
            await self.check(suite)
        except OperatorError as error:
            self._images.run.report(f"what {suite} still lacks is unknown: {error.summary}")

    async def _present(self, suite: str, images: ImageBuilder) -> list[_Present]:
        """Return the suite's images that this host has."""
        wanted: list[tuple[ImageName, Callable[[], Awaitable[str]]]] = []
        for python in images.pythons(suite):
            builder = await images.builder_name(suite, python)
            wanted.append((builder, functools.partial(images.ensure_builder, suite, python=python)))
            if await images.base_names(suite):
                runtime = await images.runtime_name(suite, python)
                wanted.append((runtime, functools.partial(images.ensure_runtime, suite, python)))
        present = []
        for name, make in wanted:
            record = await find_image(self._images.run.engine, name.current_tag, name.definition)
            if record is not None:
                present.append(_Present(record=record, name=name, make=make))
        return present

    async def prune(self) -> tuple[UsedImage, ...]:
        """Remove and return what is not needed."""
        return await self._pruning.prune()


class ImageRefreshes:
    """Refreshes the suites of which this host has images.

    The time of the last refresh is that of a file, because images belong to a host and not to the service. A lock keeps
    several workers with one state directory from doing it twice. A new host has nothing to refresh, so its first
    interval begins with the first call.
    """

    def __init__(
        self, upkeep: ImageUpkeep, *, suites: Sequence[str], folder: Path, clock: Callable[[], float] = time.time
    ) -> None:
        self._upkeep = upkeep
        self._suites = suites
        self._stamp = folder / "last-refresh"
        self._clock = clock

    async def run_if_due(self, interval_seconds: float) -> bool:
        """Refresh if the interval is over; return whether it was. A failure is logged, and tried again later."""
        try:
            with disk_errors(self._stamp.parent):
                return await self._run_alone(interval_seconds)
        except AlreadyRunningError:
            return False
        except DiskFullError as error:
            _log.warning("refresh-failed", code=error.code, reason=error.summary)
            return False

    async def _run_alone(self, interval_seconds: float) -> bool:
        await asyncio.to_thread(self._stamp.parent.mkdir, parents=True, exist_ok=True)
        with FileLock(self._stamp.with_suffix(".lock")):
            return await self._run_if_due(interval_seconds)

    async def _run_if_due(self, interval_seconds: float) -> bool:
        last = await asyncio.to_thread(self._read_time)
        if last is not None and self._clock() - last < interval_seconds:
            return False
        # Record the time first: with a full disk this fails at once and not after an hour's work.
        await asyncio.to_thread(self._note_time)
        if last is None:
            return False
        for suite in self._suites:
            await self._refresh(suite)
        await self._prune()
        return True

    def _read_time(self) -> float | None:
        """Return when the last refresh began; None if the file is missing or broken."""
        try:
            return float(self._stamp.read_text())
        except (FileNotFoundError, ValueError):
            return None

    def _note_time(self) -> None:
        write_atomic(self._stamp, str(self._clock()), mode=0o666)

    async def _refresh(self, suite: str) -> None:
        try:
            for report in await self._upkeep.refresh(suite):
                changes = [asdict(change) for change in report.changes]
                event = "image-refreshed" if report.refreshed else "image-current"
                _log.info(event, image=report.image, changes=changes, problem=report.problem)
        except (WheelyardError, ValueError) as error:
            # Of one suite. The others are refreshed, and this one again next time.
            code, reason = (error.code, error.summary) if isinstance(error, WheelyardError) else ("", str(error))
            _log.warning("refresh-failed", suite=suite, code=code, reason=reason)

    async def _prune(self) -> None:
        try:
            for image in await self._upkeep.prune():
                _log.info("image-removed", image=image.name, size_bytes=image.size_bytes)
        except OperatorError as error:
            _log.warning("prune-failed", code=error.code, reason=error.summary)
