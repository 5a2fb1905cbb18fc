"""The REST API on in-memory stores, with a client that needs no socket."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx
from packaging.utils import NormalizedName
from tests.contract.samples import BEGINNING, TARGET, ManualClock, sample_wheel

from wheelyard.adapters.memory_source import MemorySourceIndex
from wheelyard.adapters.memory_state import MemoryState
from wheelyard.adapters.memory_store import MemoryAttempts, MemoryBuilds, MemoryLogs
from wheelyard.adapters.memory_tokens import MemoryTokens
from wheelyard.api.app import create_app
from wheelyard.api.services import ApiServices
from wheelyard.domain.build import Status
from wheelyard.domain.builder_status import BuilderStatus, describe_builders
from wheelyard.domain.catalogue import Catalogue, parse_catalogue
from wheelyard.domain.ledger import Claim, Outcome
from wheelyard.domain.recipe import Recipe
from wheelyard.errors import RecipeInvalidError
from wheelyard.usecases.follow_log import FollowLog
from wheelyard.usecases.request_build import BuilderFacts, RequestBuild
from wheelyard.usecases.tokens import PREFIX, Tokens

SECRET = "s3cret-of-the-tests"
CATALOGUE = Path(__file__).parents[2] / "builders" / "builders.toml"


@dataclass
class NoRecipes:
    """A recipe book without recipes, or with none that can be used."""

    fault: RecipeInvalidError | None = None

    def find(self, project: NormalizedName) -> Recipe | None:
        del project
        if self.fault is not None:
            raise self.fault
        return None


@dataclass
class ApiStand:
    """What a test acts on: the client in front, the worker's side behind."""

    client: httpx.AsyncClient
    services: ApiServices
    source: MemorySourceIndex
    recipes: NoRecipes
    builds: MemoryBuilds
    attempts: MemoryAttempts
    logs: MemoryLogs
    clock: ManualClock
    checks: dict[str, Callable[[], Awaitable[None]]] = field(default_factory=dict)

    async def submit(self, requirement: str = "pyyaml") -> str:
        response = await self.client.post("/v1/builds", json={"requirement": requirement})
        assert response.status_code in {200, 202}, response.text
        return str(response.json()["id"])

    async def claim(self, build_id: str) -> Claim:
        claim = await self.attempts.claim(build_id, worker="worker-1", lease_seconds=20)
        assert claim is not None
        return claim

    async def succeed(self, build_id: str) -> None:
        outcome = Outcome(status=Status.SUCCEEDED, wheel=sample_wheel())
        assert await self.attempts.finish(await self.claim(build_id), outcome)


@asynccontextmanager
async def api_stand(cache_dir: Path, *, heartbeat_seconds: float = 15.0) -> AsyncIterator[ApiStand]:
    clock = ManualClock(BEGINNING)
    state = MemoryState(clock=clock)
    builds, logs = MemoryBuilds(state), MemoryLogs(state)
    source, recipes = _source(cache_dir), NoRecipes()
    catalogue = parse_catalogue(CATALOGUE.read_text())
    facts = BuilderFacts(
        catalogue=catalogue,
        definitions={(choice.suite, choice.python): "d1" for choice in catalogue.builders()},
        agent_digest="a1",
        build_number=1,
    )
    tokens = Tokens(store=MemoryTokens(state), new_secret=lambda: SECRET)
    await tokens.create(name="tests")
    checks: dict[str, Callable[[], Awaitable[None]]] = {"database": builds.ping}
    services = ApiServices(
        request_build=RequestBuild(source=source, store=builds, recipes=recipes, facts=facts),
        follow_log=FollowLog(builds=builds, logs=logs),
        tokens=tokens,
        builds=builds,
        logs=logs,
        defaults=TARGET,
        builders=_no_images(catalogue),
        readiness=checks,
        readiness_timeout_seconds=0.05,
        heartbeat_seconds=heartbeat_seconds,
        stopping=asyncio.Event(),
    )
    numbers = count(1)
    app = create_app(services, new_request_id=lambda: f"request-{next(numbers)}")
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {PREFIX}{SECRET}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://wheelyard", headers=headers) as client:
        yield ApiStand(
            client=client,
            services=services,
            source=source,
            recipes=recipes,
            builds=builds,
            attempts=MemoryAttempts(state),
            logs=logs,
            clock=clock,
            checks=checks,
        )


def _no_images(catalogue: Catalogue) -> Callable[[], Awaitable[tuple[BuilderStatus, ...]]]:
    async def describe() -> tuple[BuilderStatus, ...]:
        return describe_builders(catalogue, [], {})

    return describe


def _source(cache_dir: Path) -> MemorySourceIndex:
    source = MemorySourceIndex(cache_dir)
    source.add("pyyaml-6.0.3.tar.gz", b"sdist")
    source.add("pyyaml-6.0.2.tar.gz", b"older sdist")
    source.add("lxml-6.0.2.tar.gz", b"another sdist")
    source.add("wheelonly-1.0-py3-none-any.whl", b"wheel")
    return source


def problem_of(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Check that an answer is a problem document of this status and code, and return it."""
    problem = response.json()
    assert (response.status_code, problem["code"]) == (status, code), response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    assert (problem["type"], problem["status"]) == (f"urn:wheelyard:error:{code}", status)
    assert problem["title"]
    assert problem["detail"]
    assert problem["instance"] == response.request.url.path
    assert problem["request_id"] == response.headers["X-Request-ID"]
    assert "Traceback" not in response.text
    return dict(problem)


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """One server-sent event, as a client reads it."""

    name: str
    data: dict[str, Any]
    id: str | None


def read_events(text: str) -> list[Event]:
    """Read a stream of events; comments and the reconnection time are not events."""
    blocks = [dict(_fields(block)) for block in text.split("\n\n")]
    return [
        Event(name=block["event"], data=json.loads(block["data"]), id=block.get("id"))
        for block in blocks
        if "data" in block
    ]


def _fields(block: str) -> list[tuple[str, str]]:
    lines = [line.partition(": ") for line in block.splitlines() if not line.startswith(":")]
    return [(name, value) for name, _, value in lines]
