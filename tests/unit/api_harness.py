"""The REST API on in-memory stores, with a client that needs no socket."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from tests.contract.samples import BEGINNING, TARGET, ManualClock, sample_healing, sample_wheel
from tests.fakes.access import MemoryAudit, MemoryTokens
from tests.fakes.archives import FakeArchives
from tests.fakes.builds import MemoryAttempts, MemoryBuilds, MemoryLogs
from tests.fakes.git import MemoryRepositories
from tests.fakes.images import MemoryRecipes
from tests.fakes.index import MemoryIndex
from tests.fakes.metrics import MemoryMetrics
from tests.fakes.own_projects import own_source
from tests.fakes.parsers import InlineParsers
from tests.fakes.prebuilds import MemoryPrebuilds
from tests.fakes.queue import MemoryFleet, MemoryQueue
from tests.fakes.recipes import MemoryRecipeStore
from tests.fakes.records import MemoryState
from tests.fakes.sources import MemoryAddresses, MemoryReleaseResolver, MemorySourceIndex
from tests.fakes.uploads import MemoryUploads
from tests.fakes.wheels import MemoryWheels

from wheelyard.adapters.devpi.copies import CopiesOnDisk
from wheelyard.adapters.host.disk import measure_disk
from wheelyard.adapters.recipes.stored import StoredRecipes
from wheelyard.adapters.resolver.own_projects import OwnSource
from wheelyard.adapters.resolver.requirements import parse_requirements
from wheelyard.adapters.resolver.sdists import read_brought_sdist, read_sdist_metadata
from wheelyard.adapters.resolver.source_archives import read_identity_texts
from wheelyard.adapters.upstream.brought import BroughtFiles
from wheelyard.adapters.upstream.cache import ContentCache
from wheelyard.api.services import ApiServices, IndexAccess, IndexServices, UploadServices
from wheelyard.assembly.parts import known_suites
from wheelyard.assembly.service import make_app
from wheelyard.domain.access import Scope
from wheelyard.domain.builds.build import Status
from wheelyard.domain.builds.file_source import ADDRESS_SCHEME
from wheelyard.domain.builds.records import Claim, Outcome
from wheelyard.domain.catalogue.catalogue import Catalogue, parse_catalogue
from wheelyard.domain.catalogue.reach import PythonReach, Reach
from wheelyard.domain.catalogue.status import BuilderStatus, describe_builders
from wheelyard.domain.healing.healing import Healing
from wheelyard.domain.index.index import Level
from wheelyard.domain.index.wheels import Listing
from wheelyard.domain.packaging.own_projects import OwnProjects
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.prebuilds.webhook import AllowedAddresses
from wheelyard.interfaces import SourceIndex
from wheelyard.usecases.access import Access, RequestLimit
from wheelyard.usecases.advance_prebuild import AdvancePrebuild, MirrorWheel
from wheelyard.usecases.browse_index import BrowseIndex, WheelBytes
from wheelyard.usecases.campaigns.advice import FindAdvice
from wheelyard.usecases.campaigns.campaigns import Campaigns
from wheelyard.usecases.campaigns.turns import CampaignTurns
from wheelyard.usecases.check_index import CheckIndex
from wheelyard.usecases.follow_log import FollowLog
from wheelyard.usecases.manage_wheels import ManageWheels
from wheelyard.usecases.prebuild import Prebuilds
from wheelyard.usecases.queue import RetryBuilds, ShowQueue
from wheelyard.usecases.read_dependencies import ReadDependencies
from wheelyard.usecases.recipes import ManageRecipes
from wheelyard.usecases.release_facts import FindRelease, FindSource
from wheelyard.usecases.request_build import BuilderFacts, RequestBuild
from wheelyard.usecases.send_webhooks import WebhookRules
from wheelyard.usecases.sessions import Sessions
from wheelyard.usecases.simple_pages import SimplePages
from wheelyard.usecases.tokens import PREFIX, Tokens
from wheelyard.usecases.uploads.bring_file import BringFile
from wheelyard.usecases.uploads.build_source import BuildSource
from wheelyard.usecases.uploads.disown import DisownProject
from wheelyard.usecases.uploads.sdists import ReadSdists
from wheelyard.wheel_files.received import ReceivedFile

SECRET = "s3cret-of-the-tests"
CATALOGUE = Path(__file__).parents[2] / "builders" / "builders.toml"


@dataclass
class ApiHarness:
    """What a test acts on: the client in front, the worker's side behind."""

    client: httpx.AsyncClient
    services: ApiServices
    source: MemorySourceIndex
    addresses: MemoryAddresses
    repositories: MemoryRepositories
    recipes: MemoryRecipes
    builds: MemoryBuilds
    attempts: MemoryAttempts
    logs: MemoryLogs
    token_store: MemoryTokens
    workers: MemoryFleet
    clock: ManualClock
    held: MemoryIndex
    """What devpi has."""
    state: MemoryState
    """What all stores know."""
    resolver: MemoryReleaseResolver
    archives: FakeArchives
    app: FastAPI
    pythons: list[PythonReach]
    """What workers have reported of the Pythons that they can have; nothing before a test says so."""
    checks: dict[str, Callable[[], Awaitable[None]]] = field(default_factory=dict)

    async def submit(self, requirement: str = "pyyaml") -> str:
        response = await self.client.post("/v1/builds", json={"requirement": requirement})
        assert response.status_code in {200, 202}, response.text
        return str(response.json()["id"])

    async def claim(self, build_id: str) -> Claim:
        claim = await self.attempts.claim(build_id, worker="worker-1", lease_seconds=20)
        assert claim is not None
        return claim

    async def succeed(self, build_id: str, *, healing: Healing | None = None) -> None:
        outcome = Outcome(status=Status.SUCCEEDED, wheel=sample_wheel(), healing=healing)
        assert await self.attempts.finish(await self.claim(build_id), outcome)

    async def heal(self, requirement: str = "pyyaml") -> str:
        """Request a build that succeeds because it healed itself; gives its id."""
        build_id = await self.submit(requirement)
        build = await self.builds.get(build_id)
        await self.succeed(build_id, healing=sample_healing(build.order.project))
        return build_id


@dataclass(frozen=True, kw_only=True)
class ApiParts:
    """What lies behind the API: the stores of one state, and the fakes of what is outside."""

    state: MemoryState
    builds: MemoryBuilds
    logs: MemoryLogs
    source: MemorySourceIndex
    cache_dir: Path
    recipes: MemoryRecipes = field(default_factory=MemoryRecipes)
    held: MemoryIndex = field(default_factory=MemoryIndex)
    resolver: MemoryReleaseResolver = field(default_factory=MemoryReleaseResolver)
    catalogue: Catalogue = field(default_factory=lambda: parse_catalogue(CATALOGUE.read_text()))
    archives: FakeArchives = field(default_factory=FakeArchives)
    checks: dict[str, Callable[[], Awaitable[None]]] = field(default_factory=dict)
    """Who is asked whether the service is ready."""
    pythons: list[PythonReach] = field(default_factory=list)
    """What workers have reported of the Pythons that they can have."""

    def order(self) -> RequestBuild:
        """Give what orders builds, for every builder of the catalogue."""
        choices = self.catalogue.builders()
        facts = BuilderFacts(
            catalogue=self.catalogue,
            definitions={(choice.policy.architecture, choice.suite, choice.python): "d1" for choice in choices},
            agent_digest="a1",
            build_number=1,
        )
        return RequestBuild(
            source=self.own_source,
            store=self.builds,
            recipes=self.stored_recipes,
            facts=facts,
            repositories=self.repositories,
            reach=lambda: Reach.of([self.pythons]),
        )

    @cached_property
    def own_source(self) -> OwnSource:
        """What was brought, and the index upstream for every other project."""
        store = MemoryUploads(self.state, self.builds, MemoryPrebuilds(self.state))
        fetch = BroughtFiles(store, ContentCache(root=self.cache_dir / "brought", floor_bytes=0)).fetch
        places = {ADDRESS_SCHEME: self.addresses.fetch}
        return own_source(self.state, self.cache_dir, upstream=self.source, held=self.held, fetch=fetch, places=places)

    @cached_property
    def addresses(self) -> MemoryAddresses:
        """The host files.example, without files."""
        return MemoryAddresses(cache=ContentCache(root=self.cache_dir / "addresses", floor_bytes=0))

    @cached_property
    def repositories(self) -> MemoryRepositories:
        """The host git.example, without refs."""
        return MemoryRepositories(folder=self.cache_dir)

    @cached_property
    def stored_recipes(self) -> StoredRecipes:
        """The service's own recipes, then those that a test has added."""
        return StoredRecipes(MemoryRecipeStore(self.state), self.recipes, suites=known_suites(self.catalogue))

    def manage_recipes(self, plan: RequestBuild) -> ManageRecipes:
        """Give what changes the service's own recipes."""
        return ManageRecipes(
            store=MemoryRecipeStore(self.state),
            registry=self.stored_recipes,
            refresh=self.stored_recipes.refresh,
            builds=self.builds,
            plan=plan,
            parsers=InlineParsers(),
            suites=known_suites(self.catalogue),
        )


@asynccontextmanager
async def api_harness(
    cache_dir: Path, *, heartbeat_seconds: float = 15.0, anonymous_read: bool = False, beginning: datetime = BEGINNING
) -> AsyncIterator[ApiHarness]:
    clock = ManualClock(beginning)
    state = MemoryState(clock=clock)
    builds, logs = MemoryBuilds(state), MemoryLogs(state)
    parts = ApiParts(state=state, builds=builds, logs=logs, source=_source(cache_dir), cache_dir=cache_dir)
    tokens = Tokens(store=MemoryTokens(parts.state), new_secret=lambda: SECRET)
    await tokens.create(name="tests", scope=Scope.ADMIN, created_by="root")
    access = access_on(tokens, anonymous_read=anonymous_read)
    parts.checks["database"] = parts.builds.ping
    services = _services(parts, tokens, access, heartbeat_seconds=heartbeat_seconds)
    numbers = count(1)
    app = make_app(services, new_request_id=lambda: f"request-{next(numbers)}")
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {PREFIX}{SECRET}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://wheelyard", headers=headers) as client:
        yield ApiHarness(
            client=client,
            services=services,
            source=parts.source,
            repositories=parts.repositories,
            addresses=parts.addresses,
            recipes=parts.recipes,
            builds=parts.builds,
            attempts=MemoryAttempts(parts.state),
            logs=parts.logs,
            token_store=MemoryTokens(parts.state),
            workers=MemoryFleet(parts.state),
            clock=clock,
            held=parts.held,
            state=parts.state,
            resolver=parts.resolver,
            archives=parts.archives,
            app=app,
            pythons=parts.pythons,
            checks=parts.checks,
        )


def _services(parts: ApiParts, tokens: Tokens, access: Access, *, heartbeat_seconds: float) -> ApiServices:
    state, held, now = parts.state, parts.held, parts.state.clock
    builds, logs, workers = parts.builds, parts.logs, MemoryFleet(state)
    order = parts.order()
    prebuilds = prebuild_harness(
        state, source=parts.own_source, resolver=parts.resolver, index=held, request_build=order
    )
    assert isinstance(prebuilds.store, MemoryPrebuilds)
    return ApiServices(
        request_build=order,
        prebuilds=prebuilds,
        campaigns=Campaigns(
            prebuilds=prebuilds,
            store=prebuilds.store,
            wheels=MemoryWheels(state),
            listing=Listing(targets=order.targets()),
            now=now,
        ),
        follow_log=FollowLog(builds=builds, logs=logs),
        parsers=InlineParsers(),
        archives=parts.archives,
        tokens=tokens,
        access=access,
        sessions=Sessions(
            access=access,
            store=MemoryTokens(state),
            lifetime=timedelta(hours=1),
            new_secret=lambda: "session-secret",
            now=now,
        ),
        audit=MemoryAudit(state),
        builds=builds,
        retries=RetryBuilds(builds=builds),
        workers=workers,
        logs=logs,
        figures=MemoryMetrics(state, MemoryPrebuilds(state)),
        disk=lambda: asyncio.to_thread(measure_disk, parts.cache_dir),
        queue=ShowQueue(queue=MemoryQueue(state), workers=workers, builds=builds, now=now),
        recipes=parts.stored_recipes,
        manage_recipes=parts.manage_recipes(order),
        default_target=lambda: TARGET,
        builders=_no_images(parts.catalogue),
        uploads=_uploads(parts, prebuilds),
        index=index_harness(state, held, targets=order.targets(), folder=parts.cache_dir),
        readiness=parts.checks,
        readiness_timeout_seconds=0.05,
        heartbeat_seconds=heartbeat_seconds,
        stopping=asyncio.Event(),
    )


def _uploads(parts: ApiParts, prebuilds: Prebuilds) -> UploadServices:
    """Give what takes files of at most 4 MiB, which waits for nothing."""
    assert isinstance(prebuilds.store, MemoryPrebuilds)
    store = MemoryUploads(parts.state, parts.builds, prebuilds.store)
    return UploadServices(
        bring=BringFile(
            plan=prebuilds.advance.request_build,
            store=store,
            builds=parts.builds,
            logs=parts.logs,
            read_sdist=ReadSdists(prebuilds, InlineParsers(), read_brought_sdist),
            stopping=asyncio.Event(),
        ),
        build_source=BuildSource(
            plan=prebuilds.advance.request_build, store=store, builds=parts.builds, read_texts=read_identity_texts
        ),
        disown=DisownProject(store=store, patterns=OWN_PROJECTS),
        store=store,
        receive=lambda _: ReceivedFile(parts.cache_dir / "received", limit_bytes=4 << 20, check_room=lambda _: None),
        receive_seconds=60,
        limit_bytes=4 << 20,
        wait_seconds=0,
    )


def access_on(
    tokens: Tokens, *, anonymous_read: bool = False, limit: int = 0, failures: int = 0, reads: int = 0
) -> Access:
    """Make what decides over requests; limits of 0 are none."""
    return Access(
        tokens=tokens,
        requests=RequestLimit(what="requests of this caller", per_minute=limit),
        index_reads=RequestLimit(what="index requests of this caller", per_minute=reads),
        failures=RequestLimit(what="wrong tokens from this address", per_minute=failures),
        anonymous_read=anonymous_read,
    )


OWN_PROJECTS = OwnProjects.of(["acme-*", "acme-web-*", "acme-web-shop-*"])


def index_harness(
    state: MemoryState,
    held: MemoryIndex,
    access: IndexAccess = IndexAccess(),  # noqa: B008
    targets: tuple[Target, ...] = (),
    *,
    folder: Path,
) -> IndexServices:
    """Give the use cases of an index in memory."""
    wheels, listing = MemoryWheels(state), Listing(targets=targets)
    indexes = {Level.PROD: held, Level.STAGING: held}
    copies = CopiesOnDisk(folder / "copies", held, limit_bytes=64 << 20, floor_bytes=0)
    return IndexServices(
        pages=SimplePages(wheels, listing=listing, own=OWN_PROJECTS, trusted_seconds=0),
        staged_pages=SimplePages(
            wheels, listing=replace(listing, level=Level.STAGING), own=OWN_PROJECTS, trusted_seconds=0
        ),
        own_pages=SimplePages(wheels, listing=replace(listing, own_only=True), own=OWN_PROJECTS, trusted_seconds=0),
        files=WheelBytes(store=wheels, trusted_seconds=0),
        copies=copies,
        browse=BrowseIndex(store=wheels),
        manage=ManageWheels(store=wheels, storage=held, indexes=indexes),
        check=CheckIndex(
            wheels=wheels,
            storage=held,
            indexes=indexes,
            audit=MemoryAudit(state),
            copies=copies,
        ),
        access=access,
    )


def prebuild_harness(
    state: MemoryState,
    *,
    source: SourceIndex,
    resolver: MemoryReleaseResolver,
    index: MemoryIndex,
    request_build: RequestBuild,
) -> Prebuilds:
    """Give the use cases of prebuilds in memory."""
    wheels, store, builds = MemoryWheels(state), MemoryPrebuilds(state), MemoryBuilds(state)
    find = FindRelease(source=source, wheels=wheels, builds=builds, listing=Listing(targets=request_build.targets()))
    advance = AdvancePrebuild(
        store=store,
        builds=builds,
        find=find,
        request_build=request_build,
        mirror=MirrorWheel(source=source, index=index, wheels=wheels, now=state.clock),
        now=state.clock,
        campaigns=CampaignTurns(
            wheels=wheels,
            builds=builds,
            find=find,
            plan=request_build,
            advise=FindAdvice(source=source, wheels=wheels, parsers=InlineParsers(), read_metadata=read_sdist_metadata),
            now=state.clock,
            busy_seconds=0.0,
            quiet_seconds=0.0,
        ),
    )
    parsers = InlineParsers()
    read = ReadDependencies(
        source=source,
        resolver=resolver,
        parsers=parsers,
        parse_lines=parse_requirements,
        read_metadata=read_sdist_metadata,
        find_source=FindSource(
            plan=request_build, find=find, parsers=parsers, source=source, read_sdist=read_brought_sdist
        ),
    )
    return Prebuilds(
        read=read,
        store=store,
        wheels=wheels,
        builds=MemoryBuilds(state),
        workers=MemoryFleet(state),
        advance=advance,
        webhooks=WebhookRules(secret="secret of the webhooks", allowed=AllowedAddresses()),
        parsers=parsers,
        parse_lines=parse_requirements,
        now=state.clock,
        new_id=state.new_id,
    )


def _no_images(catalogue: Catalogue) -> Callable[[], Awaitable[tuple[BuilderStatus, ...]]]:
    async def describe() -> tuple[BuilderStatus, ...]:
        return describe_builders(catalogue, [])

    return describe


def _source(cache_dir: Path) -> MemorySourceIndex:
    source = MemorySourceIndex(cache_dir)
    source.add("pyyaml-6.0.3.tar.gz", b"sdist")
    source.add("pyyaml-6.0.2.tar.gz", b"older sdist")
    source.add("pyyaml-6.0.1.tar.gz", b"oldest sdist")
    source.add("lxml-6.0.2.tar.gz", b"another sdist")
    source.add("wheelonly-1.0-py3-none-any.whl", b"wheel")
    return source


def assert_problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
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
