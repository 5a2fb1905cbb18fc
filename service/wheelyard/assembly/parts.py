"""What a process makes once and hands down: its settings, the container engine, the catalogue of builders.

An engine may take 20 seconds to answer, so a service, a worker, a trial and a command each ask it once.
"""

import asyncio
import contextlib
import shutil
import subprocess
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from wheelyard.adapters.engine.agent import AgentProgram, pack_agent
from wheelyard.adapters.engine.command import EngineCommand, container_ulimits
from wheelyard.adapters.images.catalogue_file import read_catalogue
from wheelyard.domain.catalogue.catalogue import Catalogue
from wheelyard.resources import data_path
from wheelyard.settings import Settings

_ENGINES: Final = ("docker", "podman")
_ANSWER_SECONDS: Final = 20


@dataclass(frozen=True)
class Parts:
    """The parts that the other modules of assembly share; each is made when it is first needed."""

    settings: Settings

    @cached_property
    def engine(self) -> EngineCommand:
        """The engine that the settings name, else the first that answers, else docker; blocks."""
        program = self.settings.engine or next((name for name in _ENGINES if _answers(name)), _ENGINES[0])
        limits = container_ulimits(program, open_files=self.settings.engine_open_files)
        return EngineCommand(program=program, ulimits=limits, runtime=self.settings.engine_runtime)

    @cached_property
    def catalogue(self) -> Catalogue:
        """The built-in catalogue with the operator's own laid over it; blocks, raises CatalogueInvalidError."""
        return read_catalogue(data_path("builders") / "builders.toml", self.settings.catalogue)

    @cached_property
    def agent(self) -> AgentProgram:
        """The program that runs inside the containers, packed."""
        return pack_agent(data_path("builders") / "agent")


async def make_parts(settings: Settings) -> Parts:
    """Make all parts in a thread, so that an engine that is slow to answer holds up nothing else."""
    parts = Parts(settings)
    await asyncio.to_thread(lambda: (parts.engine, parts.catalogue))
    return parts


def _answers(program: str) -> bool:
    if shutil.which(program) is None:
        return False
    with contextlib.suppress(subprocess.TimeoutExpired):
        command = [program, "version"]
        return subprocess.run(command, capture_output=True, check=False, timeout=_ANSWER_SECONDS).returncode == 0
    return False
