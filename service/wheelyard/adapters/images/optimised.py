"""Compile the Pythons of a host with a profile while nothing else is to do, and let them take over its images.

What became of each compilation is in a file beside the other notes about the engine's images, so that a failed one is
not repeated, by this process or by the next.
"""

import asyncio
import copy
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Self

from wheelyard.adapters.host.disk import disk_errors
from wheelyard.adapters.host.file_lock import FileLock
from wheelyard.adapters.host.files import write_atomic
from wheelyard.adapters.host.process import LineCallback
from wheelyard.adapters.images.builder import ImageBuilder
from wheelyard.adapters.images.optimise import Effort
from wheelyard.adapters.images.prune import Clock, utc_now
from wheelyard.adapters.images.refresh import ImageUpkeep
from wheelyard.domain.catalogue.optimisation import IDLE, Optimisation, PythonChoice, choose_python
from wheelyard.errors import AlreadyRunningError, EngineUnavailableError, ImageBuildFailedError, OperatorError
from wheelyard.logs import get_logger

_AGAIN: Final = timedelta(hours=1)
_log = get_logger(__name__)


class OptimisationFile:
    """The compilations that a host remembers."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "optimised.json"

    def read(self) -> tuple[Optimisation, ...]:
        """Return them; none if the file is missing or broken. Blocks."""
        try:
            rows = json.loads(self._path.read_text(encoding="utf-8"))
            return tuple(Optimisation(**{**row, "begun": datetime.fromisoformat(row["begun"])}) for row in rows)
        except (OSError, ValueError, KeyError, TypeError):
            return ()

    def find(self, definition: str) -> Optimisation | None:
        """Return the last compilation of a definition. Blocks."""
        return next((one for one in self.read() if one.definition == definition), None)

    def replace(self, definition: str, new: Optimisation | None) -> None:
        """Replace what is known of a definition; None forgets it. Blocks. The file is complete at any time."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self._path.with_suffix(".lock")).held():
            kept = [one for one in self.read() if one.definition != definition]
            rows = [asdict(one) for one in [*kept, *([new] if new else [])]]
            write_atomic(self._path, json.dumps(rows, default=str))


class OptimisedPythons:
    """Compiles one Python at a time for a host, at the lowest priority."""

    def __init__(
        self,
        *,
        images: ImageBuilder,
        upkeep: ImageUpkeep,
        suites: Sequence[str],
        folder: Path,
        clock: Clock = utc_now,
    ) -> None:
        self._images = images
        self._upkeep = upkeep
        self._suites = suites
        self._folder = folder
        self._file = OptimisationFile(folder)
        self._clock = clock
        self._busy: datetime | None = None
        self._settled: tuple[frozenset[tuple[str, tuple[str, ...]]], datetime] | None = None
        """The images after the last exchange, and when that was."""

    def reporting_to(self, report: LineCallback) -> Self:
        """Return an OptimisedPythons that reports its lines there."""
        other = copy.copy(self)
        other._images = self._images.reporting_to(report)  # noqa: SLF001  its own kind
        other._upkeep = self._upkeep.reporting_to(report)  # noqa: SLF001  its own kind
        return other

    async def run_now(self, suite: str, python: str) -> None:
        """Compile a Python for a person who waits, and let it take over the suite's images.

        An earlier failure is forgotten first.

        Raises:
            AlreadyRunningError: A worker of this host compiles or refreshes.
            ImageBuildFailedError: It does not compile, differs for extension modules, or fails its tests.
        """
        with disk_errors(self._folder):
            await asyncio.to_thread(self._folder.mkdir, parents=True, exist_ok=True)
            with FileLock(self._folder / "optimise.lock"):
                definition = (await self._images.plan(suite)).optimised_name(python).definition
                await asyncio.to_thread(self._file.replace, definition, None)
                await self._images.optimise(suite, python, effort=Effort(is_background=False))
                with FileLock(self._folder / "last-refresh.lock"):
                    await self._upkeep.adopt(suite)

    async def run_if_idle(self, *, is_idle: bool) -> bool:
        """Compile what is missing, if there was no build for some time; return whether something was compiled.

        Builds that begin meanwhile go before it: the container has the lowest share of processors.
        """
        now = self._clock()
        if self._busy is None or not is_idle:
            self._busy = now
        if now - self._busy < IDLE:
            return False
        try:
            with disk_errors(self._folder):
                await asyncio.to_thread(self._folder.mkdir, parents=True, exist_ok=True)
                with FileLock(self._folder / "optimise.lock"):
                    return await self._run()
        except AlreadyRunningError:
            return False  # another worker of this host, or a refresh

    async def _run(self) -> bool:
        if not await self._is_settled():
            await self._take_over()
            self._settled = await self._list(), self._clock()
        choice = await self._choose()
        if choice is None:
            return False
        if await self._compile(choice):
            await self._take_over()
        return True

    async def _is_settled(self) -> bool:
        """Return whether the images are those of the last exchange; one that failed is tried again after an hour.

        To look at all images takes some processor time, and this is asked several times a minute.
        """
        if self._settled is None:
            return False
        images, when = self._settled
        return self._clock() - when < _AGAIN and images == await self._list()

    async def _list(self) -> frozenset[tuple[str, tuple[str, ...]]]:
        return frozenset((image.id, image.tags) for image in await self._images.list_images())

    async def _choose(self) -> PythonChoice | None:
        choices = await self._images.optimised_choices(self._suites)
        made = {image.definition for image in await self._images.list_images()}
        return choose_python(choices, made=made, past=await asyncio.to_thread(self._file.read))

    async def _compile(self, choice: PythonChoice) -> bool:
        last = await asyncio.to_thread(self._file.find, choice.definition)
        # Until it ends in order, it counts as interrupted.
        begun = Optimisation(
            definition=choice.definition,
            suite=choice.suite,
            python=choice.python,
            begun=self._clock(),
            interruptions=(last.interruptions if last else 0) + 1,
        )
        await self._note(choice, begun)
        _log.info("python-optimisation-started", suite=choice.suite, python=choice.python)
        try:
            await self._images.optimise(choice.suite, choice.python, effort=Effort())
        except asyncio.CancelledError:
            # The worker is stopped in order, which says nothing about the compilation.
            await asyncio.shield(self._note(choice, last))
            raise
        except ImageBuildFailedError as error:
            await self._note(choice, replace(begun, failed=error.summary))
            _log.warning(
                "python-optimisation-failed",
                suite=choice.suite,
                python=choice.python,
                code=error.code,
                reason=error.summary,
            )
            return False
        except OperatorError:
            await self._note(choice, last)  # the engine or the disk: it can pass
            raise
        await self._note(choice, None)
        seconds = round((self._clock() - begun.begun).total_seconds())
        _log.info("python-optimised", suite=choice.suite, python=choice.python, seconds=seconds)
        return True

    async def _take_over(self) -> None:
        with FileLock(self._folder / "last-refresh.lock"):  # a refresh gives names away, too
            for suite in self._suites:
                await self._take_over_in(suite)

    async def _take_over_in(self, suite: str) -> None:
        try:
            for name in await self._upkeep.adopt(suite):
                _log.info("image-optimised", image=name)
        except (AlreadyRunningError, EngineUnavailableError):
            raise
        except OperatorError as error:
            # The images stay as they are, and a later round tries again.
            _log.warning("image-not-optimised", suite=suite, code=error.code, reason=error.summary)

    async def _note(self, choice: PythonChoice, new: Optimisation | None) -> None:
        with disk_errors(self._folder):
            await asyncio.to_thread(self._file.replace, choice.definition, new)
