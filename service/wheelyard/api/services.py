"""What the routes of the API and the pages work with.

A route reads straight from a store what needs no decision; what changes something goes through a use case.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Depends, Request

from wheelyard.domain.builds.statistics import DiskUse
from wheelyard.domain.catalogue.sbom import ImageContent
from wheelyard.domain.catalogue.status import BuilderStatus
from wheelyard.domain.index.index import FileSender
from wheelyard.domain.packaging.target import Target
from wheelyard.interfaces import (
    AuditStore,
    BuildStore,
    FleetStore,
    LogStore,
    MetricStore,
    ParserPool,
    RecipeRegistry,
    SuiteArchives,
    UploadStore,
    WheelCopies,
)
from wheelyard.interfaces.signing import AuthorityRecord
from wheelyard.metrics import HttpMetrics
from wheelyard.usecases.access import Access
from wheelyard.usecases.browse_index import BrowseIndex, WheelBytes
from wheelyard.usecases.campaigns.campaigns import Campaigns
from wheelyard.usecases.check_index import CheckIndex
from wheelyard.usecases.follow_log import FollowLog
from wheelyard.usecases.manage_wheels import ManageWheels
from wheelyard.usecases.prebuild import Prebuilds
from wheelyard.usecases.queue import RetryBuilds, ShowQueue
from wheelyard.usecases.recipes import ManageRecipes
from wheelyard.usecases.request_build import RequestBuild
from wheelyard.usecases.sessions import Sessions
from wheelyard.usecases.simple_pages import SimplePages
from wheelyard.usecases.tokens import Tokens
from wheelyard.usecases.uploads.bring_file import BringFile
from wheelyard.usecases.uploads.build_source import BuildSource
from wheelyard.usecases.uploads.disown import DisownProject
from wheelyard.wheel_files.received import ReceivedFile


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexAccess:
    """Who can read the index without a token (docs/decisions/0014)."""

    anonymous: bool = False
    """Everyone."""
    this_host: bool = False
    """Programs on this host, if only this host can reach the service."""
    local: bool = False
    """The service only listens on this host; requests without a token must use a name of this host."""


async def _no_authorities() -> tuple[AuthorityRecord, ...]:
    """Return none, where nothing is signed."""
    return ()


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexServices:
    """The use cases of the index."""

    pages: SimplePages
    """Pages of the main index."""
    staged_pages: SimplePages
    """Pages that include staged wheels."""
    own_pages: SimplePages
    """Pages without mirrored wheels."""
    files: WheelBytes
    copies: WheelCopies
    """Copies of files on this host."""
    browse: BrowseIndex
    manage: ManageWheels
    check: CheckIndex
    access: IndexAccess
    authorities: Callable[[], Awaitable[Sequence[AuthorityRecord]]] = _no_authorities
    """Returns the authorities that certify signing keys, the one in use first."""
    sender: FileSender = FileSender.API
    """What sends the copies."""
    public_url: str | None = None
    """URL where users reach the API; None for the URL of the request."""


@dataclass(frozen=True, kw_only=True, slots=True)
class UploadServices:
    """What takes files that others bring."""

    bring: BringFile
    build_source: BuildSource
    disown: DisownProject
    store: UploadStore
    receive: Callable[[str], AbstractContextManager[ReceivedFile]]
    """Makes room for a file that is about to be received from a token, by its id, within its limits."""
    receive_seconds: float
    """Maximum time until a file has arrived."""
    limit_bytes: int
    """Maximum size of a file."""
    wait_seconds: float
    """How long an answer waits for the end of its file's build."""


Check = Callable[[], Awaitable[None]]
"""A readiness check: it raises a WheelyardError on failure."""


async def _nothing() -> None:
    """Run no background work."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiServices:
    """The use cases and stores that the routes use."""

    request_build: RequestBuild
    follow_log: FollowLog
    parsers: ParserPool
    """Parses large request bodies."""
    tokens: Tokens
    access: Access
    sessions: Sessions
    audit: AuditStore
    prebuilds: Prebuilds
    campaigns: Campaigns
    builds: BuildStore
    retries: RetryBuilds
    workers: FleetStore
    logs: LogStore
    figures: MetricStore
    disk: Callable[[], Awaitable[DiskUse]]
    """Returns the disk usage of the state directory; it can take seconds."""
    queue: ShowQueue
    recipes: RecipeRegistry
    manage_recipes: ManageRecipes
    default_target: Callable[[], Target]
    """Returns the target of a request without a Python or a platform, as it is now."""
    builders: Callable[[], Awaitable[Sequence[BuilderStatus]]]
    """Returns the builders, and the workers' images of them."""
    uploads: UploadServices
    """What takes files."""
    index: IndexServices
    """The services of the index."""
    archives: SuiteArchives
    """The suites' package archives."""
    http_metrics: HttpMetrics = field(default_factory=HttpMetrics)
    """HTTP metrics of this process."""
    image_content: Callable[[str], Awaitable[ImageContent]] | None = None
    """Returns the contents of an image on this host's engine; None without an engine."""
    upkeep: Callable[[], Coroutine[Any, Any, None]] = _nothing
    """Background work that runs until the API stops."""
    readiness: Mapping[str, Check] = field(default_factory=dict)
    """The checks of ``/readyz``, by name."""
    readiness_timeout_seconds: float = 3.0
    """Timeout of each check."""
    heartbeat_seconds: float = 15.0
    """Time without an event after which a stream sends a comment."""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the server begins to stop: streams end immediately, and clients resume them at another process."""

    @property
    def defaults(self) -> Target:
        """The target of a request without a Python or a platform."""
        return self.default_target()


def services_of(request: Request) -> ApiServices:
    """Return the application's services."""
    services: ApiServices = request.app.state.services
    return services


async def _provide(request: Request) -> ApiServices:
    # Asynchronous, because FastAPI runs other dependencies in threads (https://github.com/fastapi/fastapi/issues/1306).
    return services_of(request)


Services = Annotated[ApiServices, Depends(_provide)]
