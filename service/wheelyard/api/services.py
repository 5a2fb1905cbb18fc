"""What the routes of the API and the pages work with.

A route reads straight from a store what needs no decision; what changes something goes through a use case.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Depends, Request

from wheelyard.domain.builds.statistics import DiskUse
from wheelyard.domain.catalogue.sbom import ImageContent
from wheelyard.domain.catalogue.status import BuilderStatus
from wheelyard.domain.packaging.target import Target
from wheelyard.interfaces import (
    AuditStore,
    BuildStore,
    FleetStore,
    LogStore,
    MetricStore,
    ParserPool,
    RecipeRegistry,
)
from wheelyard.metrics import HttpMetrics
from wheelyard.usecases.access import Access
from wheelyard.usecases.browse_index import BrowseIndex, WheelBytes
from wheelyard.usecases.check_index import CheckIndex
from wheelyard.usecases.follow_log import FollowLog
from wheelyard.usecases.manage_wheels import ManageWheels
from wheelyard.usecases.prebuild import Prebuilds
from wheelyard.usecases.request_build import RequestBuild
from wheelyard.usecases.retry_builds import RetryBuilds
from wheelyard.usecases.sessions import Sessions
from wheelyard.usecases.show_queue import ShowQueue
from wheelyard.usecases.simple_pages import SimplePages
from wheelyard.usecases.tokens import Tokens


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexAccess:
    """Who may read the index without a token (docs/decisions/0014)."""

    anonymous: bool = False
    """Everybody."""
    this_host: bool = False
    """Programs on this host, for a service that nobody else can reach."""
    local: bool = False
    """The service listens on this host alone: without a token it answers to this host's names only."""


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexServices:
    """The use cases of our index."""

    pages: SimplePages
    """What users install from."""
    staged_pages: SimplePages
    """The same, and what is staged."""
    own_pages: SimplePages
    """What users install from, without what was mirrored."""
    files: WheelBytes
    browse: BrowseIndex
    manage: ManageWheels
    check: CheckIndex
    access: IndexAccess
    public_url: str | None = None
    """Where users reach the API, if it is not where a request came to."""


Check = Callable[[], Awaitable[None]]
"""Returns if something answers, else raises a WheelyardError."""


async def _nothing() -> None:
    """Do nothing beside the API."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiServices:
    """The use cases and stores behind the routes."""

    request_build: RequestBuild
    follow_log: FollowLog
    parsers: ParserPool
    """Reads large bodies of requests."""
    tokens: Tokens
    access: Access
    sessions: Sessions
    audit: AuditStore
    prebuilds: Prebuilds
    builds: BuildStore
    retries: RetryBuilds
    workers: FleetStore
    logs: LogStore
    figures: MetricStore
    disk: Callable[[], Awaitable[DiskUse]]
    """Says what the state directory takes; it may take seconds."""
    queue: ShowQueue
    recipes: RecipeRegistry
    defaults: Target
    """What a request means if it names no Python or no platform."""
    builders: Callable[[], Awaitable[Sequence[BuilderStatus]]]
    """Says which builders there are, and which images of them the workers have."""
    index: IndexServices
    """What our index consists of."""
    http_metrics: HttpMetrics = field(default_factory=HttpMetrics)
    """What this process has answered."""
    image_content: Callable[[str], Awaitable[ImageContent]] | None = None
    """Reads what is in an image of this host's engine; None where no engine is."""
    upkeep: Callable[[], Coroutine[Any, Any, None]] = _nothing
    """What runs beside the API until it stops."""
    readiness: Mapping[str, Check] = field(default_factory=dict)
    """What must answer for ``/readyz`` to say yes, by name."""
    readiness_timeout_seconds: float = 3.0
    """How long each of them may take."""
    heartbeat_seconds: float = 15.0
    """How long a followed log stays silent before a comment is sent."""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    """Set it when the server is about to stop: followed logs end at once, and their readers resume elsewhere."""


def services_of(request: Request) -> ApiServices:
    """Return what the application was created with."""
    services: ApiServices = request.app.state.services
    return services


async def _provide(request: Request) -> ApiServices:
    # Asynchronous because FastAPI takes everything else to a thread, at every request.
    return services_of(request)


Services = Annotated[ApiServices, Depends(_provide)]
