"""Upkeep of a host's images: security updates come in. Must not decide what an image is, nor which one goes.

An image that is replaced stays in use until the new one is complete: the new ones are made under names of their own,
and only then take over the old ones' names, all of a suite in one go. Running builds know their image by its id.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from wheelyard.adapters.engine.command import PROJECT_LABEL, EngineCommand
from wheelyard.adapters.host.process import LineCallback
from wheelyard.adapters.images.build import explain_failure
from wheelyard.adapters.images.builder import ImageBuilder
from wheelyard.adapters.images.contents import manager_of
from wheelyard.adapters.images.names import ImageName, ImageRecord, find_image
from wheelyard.adapters.images.options import ImageOptions
from wheelyard.adapters.images.prune import Clock, ImagePruning, utc_now
from wheelyard.adapters.images.renewal import Renewal, built_on, find_extensions
from wheelyard.adapters.images.reports import PendingFile, RefreshReports
from wheelyard.adapters.servers.processes import FileLock
from wheelyard.disk_space import disk_errors
from wheelyard.domain.catalogue.packages import PackageChange
from wheelyard.domain.catalogue.upkeep import ImageRefresh, RefreshReport, UsedImage
from wheelyard.errors import AlreadyRunningError, DiskFullError, EngineCommandError, OperatorError, WheelyardError
from wheelyard.logs import get_logger


async def find_updates(engine: EngineCommand, image: ImageRecord, options: ImageOptions) -> tuple[PackageChange, ...]:
    """Ask the archive, as root in a container that is thrown away; no code of any project is in the image.

    Raises:
        MirrorUnreachableError: the archive does not answer.
        SuiteUnavailableError: the archive no longer has the suite.
    """
    network = ["--network", options.build_network] if options.build_network else []
    proxy = ["--env", f"http_proxy={options.proxy}", "--env", f"https_proxy={options.proxy}"] if options.proxy else []
    manager = manager_of(image)
    args = ["run", "--rm", "--user", "0:0", "--env", "LC_ALL=C.UTF-8", "--label", PROJECT_LABEL, *network, *proxy]
    try:
        simulated = await engine.run([*args, *engine.ulimit_args, image.id, "sh", "-euc", manager.list_updates])
    except EngineCommandError as error:
        raise explain_failure(error.output, image=image.tags[0], suite=image.labels.get("suite", "")) from error
    return manager.parse_updates(simulated.text)


_WARM: Final = timedelta(days=7)
"""An extension that a build used this lately gets a successor together with its builder."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Present:
    """An image of a suite that this host has, and how it is made anew."""

    record: ImageRecord
    name: ImageName
    make: Callable[[LineCallback], Awaitable[str]]
    """Makes its successor, under the name that has the revision."""


class ImageUpkeep:
    """Refreshes the images of one host.

    Args:
        engine: the host's engine.
        images: makes images.
        options: how images are made here.
        folder: where this host's records are kept.
        pruning: hears which images were superseded, and removes them when no build can need them any more.
        clock: tells the time.
    """

    def __init__(  # noqa: PLR0913  it is assembled in one place
        self,
        *,
        engine: EngineCommand,
        images: ImageBuilder,
        options: ImageOptions,
        folder: Path,
        pruning: ImagePruning,
        clock: Clock = utc_now,
    ) -> None:
        self._engine = engine
        self._images = images
        self._options = options
        self._pending = PendingFile(folder / "pending.json")
        self._reports = RefreshReports(folder / "refreshes")
        self._pruning = pruning
        self._clock = clock

    async def check(self, suite: str, on_progress: LineCallback) -> tuple[ImageRefresh, ...]:
        """Find the pending updates of each image of a suite, of toolchains and environments too."""
        present = await self._present(suite, self._images)
        extensions = await find_extensions(self._engine, [one.record.id for one in present])
        found = await self._check(suite, [*(one.record for one in present), *extensions], on_progress)
        return tuple(found.values())

    async def refresh(self, suite: str, on_progress: LineCallback) -> tuple[ImageRefresh, ...]:
        """Make a suite's images anew if any of them lacks updates, and say what changed.

        A toolchain or an environment that lacks some is made anew by itself. One that cannot be made (its package has
        left the archive) stays as it is, and the report says why.

        Raises:
            OperatorError: something else failed; the old images are in use as before.
        """
        revision = self._clock().strftime("%Y%m%dT%H%M%S")
        images = self._images.revised(revision)
        present = await self._present(suite, images)
        extensions = await find_extensions(self._engine, [one.record.id for one in present])
        found = await self._check(suite, [*(one.record for one in present), *extensions], on_progress)
        if not any(report.pending for report in found.values()):
            return tuple(found.values())
        renewal = Renewal(engine=self._engine, images=images, revision=revision, found=found, on_progress=on_progress)
        try:
            if any(found[one.record.id].pending for one in present):
                renewal.names += await images.base_names(suite)
                for one in present:
                    await renewal.make(one.record, one.name, one.make)
            await renewal.extend(extensions, warm=await self._find_warm(extensions))
            reports = await renewal.report()
            for name in renewal.names:
                await self._take_over(name)
        finally:
            for name in renewal.names:
                await self._engine.run(["image", "rm", name.tag], check=False)
        with disk_errors(self._options.lock_dir):
            await asyncio.to_thread(self._reports.write, suite, reports, now=self._clock())
        await self._look_again(suite, on_progress)
        return reports

    async def last_report(self, suite: str) -> RefreshReport | None:
        """Say what the last refresh that made images anew changed; None if there was none."""
        return await asyncio.to_thread(self._reports.read, suite)

    async def _take_over(self, name: ImageName) -> None:
        """Give a new image the name that is in use."""
        old = await find_image(self._engine, name.current_tag)
        if old is not None:
            await self._pruning.note_superseded(old.id)
        await self._engine.run(["tag", name.tag, name.current_tag])

    async def _check(
        self, suite: str, images: Sequence[ImageRecord], on_progress: LineCallback
    ) -> dict[str, ImageRefresh]:
        """Look what each image lacks; by id."""
        reports = {}
        for image in images:
            on_progress(f"{image.name}: looking for updates")
            pending = await find_updates(self._engine, image, self._options)
            reports[image.id] = ImageRefresh(image=image.name, pending=pending)
        changes = tuple(sorted({change for report in reports.values() for change in report.pending}))
        if images:
            with disk_errors(self._options.lock_dir):
                await asyncio.to_thread(self._pending.write, suite, changes, now=self._clock())
        return reports

    async def _look_again(self, suite: str, on_progress: LineCallback) -> None:
        """Record what the new images still lack; they are in use already, so a silent mirror is no error now."""
        try:
            await self.check(suite, on_progress)
        except OperatorError as error:
            on_progress(f"what {suite} still lacks is unknown: {error.summary}")

    async def _find_warm(self, extensions: Sequence[ImageRecord]) -> frozenset[str]:
        """List the extensions that builds used lately, and what those are made from, by id.

        Others are made when somebody asks for them again, from the archive as it is then.
        """
        warm = set[str]()
        for one in reversed(extensions):
            last = await self._pruning.last_used(one.id)
            if one.id in warm or (last is not None and self._clock() - last < _WARM):
                warm |= {one.id, built_on(one)}
        return frozenset(warm)

    async def _present(self, suite: str, images: ImageBuilder) -> list[_Present]:
        """Find the suite's images that this host has."""
        wanted: list[tuple[ImageName, Callable[[LineCallback], Awaitable[str]]]] = []
        for python in images.pythons(suite):
            wanted.append((await images.builder_name(suite, python), _builder_maker(images, suite, python)))
            if await images.base_names(suite):
                wanted.append((await images.runtime_name(suite, python), _runtime_maker(images, suite, python)))
        present = []
        for name, make in wanted:
            record = await find_image(self._engine, name.current_tag, name.definition)
            if record is not None:
                present.append(_Present(record=record, name=name, make=make))
        return present

    async def prune(self) -> tuple[UsedImage, ...]:
        """Remove what nothing needs."""
        return await self._pruning.prune()


def _builder_maker(images: ImageBuilder, suite: str, python: str) -> Callable[[LineCallback], Awaitable[str]]:
    return lambda on_progress: images.ensure_builder(suite, on_progress, python=python)


def _runtime_maker(images: ImageBuilder, suite: str, python: str) -> Callable[[LineCallback], Awaitable[str]]:
    return lambda on_progress: images.ensure_runtime(suite, python, on_progress)


_log = get_logger(__name__)


class ImageRefreshes:
    """Refreshes the suites of which this host has images.

    The time of the last one is that of a file, because images belong to a host and not to the service; a lock keeps
    several workers on one state directory from doing it twice. A new host has nothing to refresh, so its first interval
    begins when it is first asked.
    """

    def __init__(
        self, upkeep: ImageUpkeep, *, suites: Sequence[str], folder: Path, clock: Callable[[], float] = time.time
    ) -> None:
        self._upkeep = upkeep
        self._suites = suites
        self._stamp = folder / "last-refresh"
        self._clock = clock

    async def run_if_due(self, interval_seconds: float) -> bool:
        """Refresh if the interval is over; True if it was. What fails is logged, and tried again later."""
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
        lock = FileLock(self._stamp.with_suffix(".lock"))
        lock.acquire()
        try:
            return await self._run_if_due(interval_seconds)
        finally:
            lock.release()

    async def _run_if_due(self, interval_seconds: float) -> bool:
        last = await asyncio.to_thread(self._read_time)
        if last is not None and self._clock() - last < interval_seconds:
            return False
        # The time is noted first: with a disk that is full it fails at once and not after an hour's work.
        await asyncio.to_thread(self._note_time)
        if last is None:
            return False
        for suite in self._suites:
            await self._refresh(suite)
        await self._prune()
        return True

    def _read_time(self) -> float | None:
        """Read when it last began; a file that is broken counts as none."""
        try:
            return float(self._stamp.read_text())
        except (FileNotFoundError, ValueError):
            return None

    def _note_time(self) -> None:
        fresh = self._stamp.with_suffix(".new")
        fresh.write_text(str(self._clock()))
        fresh.replace(self._stamp)

    async def _refresh(self, suite: str) -> None:
        try:
            for report in await self._upkeep.refresh(suite, lambda _: None):
                changes = [asdict(change) for change in report.changes]
                event = "image-refreshed" if report.refreshed else "image-current"
                _log.info(event, image=report.image, changes=changes, problem=report.problem)
        except (WheelyardError, ValueError) as error:
            # Of one suite; the others are refreshed, and this one again when it is time.
            code, reason = (error.code, error.summary) if isinstance(error, WheelyardError) else ("", str(error))
            _log.warning("refresh-failed", suite=suite, code=code, reason=reason)

    async def _prune(self) -> None:
        try:
            for image in await self._upkeep.prune():
                _log.info("image-removed", image=image.name, size_bytes=image.size_bytes)
        except OperatorError as error:
            _log.warning("prune-failed", code=error.code, reason=error.summary)
