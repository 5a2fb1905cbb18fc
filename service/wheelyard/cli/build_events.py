"""The events of a followed log, as the API sends them. Must not import what sends them: that needs FastAPI."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from pydantic import BaseModel, ConfigDict

from wheelyard.domain.builds.build import Stage, Status


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True)


class LogPiece(_Event):
    """More of the log, all of one origin."""

    text: str
    origin: str = "container"
    """"service" for a line of the service; all that an older one sends is shown as a container's."""
    stage: str | None = None
    at: datetime | None = None


class StatusChanged(_Event):
    """Where the build stands now; sent at the start of a stream too."""

    status: Status
    stage: Stage | None
    attempt: int
    """0 before the first attempt."""
    waits_for: tuple[str, ...] = ()
    """Releases that have to be built before it goes on."""


class Ended(_Event):
    """The build is over, and so is the stream."""

    status: Status


BuildEvent = LogPiece | StatusChanged | Ended

EVENTS_BY_NAME: Final[Mapping[str, type[BuildEvent]]] = {"log": LogPiece, "status": StatusChanged, "end": Ended}
