"""What the REST API is given to work with. Must not make any of it: that is wiring's part."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from wheelyard.domain.builder_status import BuilderStatus
from wheelyard.domain.target import Target
from wheelyard.interfaces import BuildStore, LogStore
from wheelyard.usecases.follow_log import FollowLog
from wheelyard.usecases.request_build import RequestBuild
from wheelyard.usecases.tokens import Tokens

Check = Callable[[], Awaitable[None]]
"""Returns if something answers, else raises a WheelyardError."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiServices:
    """The use cases and stores behind the routes."""

    request_build: RequestBuild
    follow_log: FollowLog
    tokens: Tokens
    builds: BuildStore
    logs: LogStore
    defaults: Target
    """What a request means if it names no Python or no platform."""
    builders: Callable[[], Awaitable[Sequence[BuilderStatus]]]
    """Says which builders there are, and which images this host has of them."""
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


Services = Annotated[ApiServices, Depends(services_of)]
