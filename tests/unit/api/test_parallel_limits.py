"""What one caller may have at the same time: requests that are answered, followed streams, files that are sent."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.unit.api_harness import ApiHarness, access_on, api_harness, assert_problem

from wheelyard.assembly.service import make_app
from wheelyard.domain.access import Scope
from wheelyard.usecases.access import ParallelLimit
from wheelyard.usecases.tokens import Tokens


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[ApiHarness]:
    async with api_harness(tmp_path) as made:
        yield made


def limited(harness: ApiHarness, *, running: int = 0, streams: int = 0) -> httpx.AsyncClient:
    access = access_on(harness.services.tokens)
    access.running = ParallelLimit(what="requests", most=running, setting="WHEELYARD_CONCURRENT_REQUESTS_PER_TOKEN")
    access.streams = ParallelLimit(what="followed logs", most=streams, setting="WHEELYARD_STREAMS_PER_TOKEN")
    harness.app = make_app(replace(harness.services, access=access))
    transport = httpx.ASGITransport(app=harness.app)
    return httpx.AsyncClient(transport=transport, base_url="http://wheelyard", headers=harness.client.headers)


async def reader(harness: ApiHarness) -> dict[str, str]:
    tokens = Tokens(store=harness.token_store, new_secret=lambda: "another")
    _, secret = await tokens.create(name="another", scope=Scope.READ, created_by="root")
    return {"Authorization": f"Bearer {secret}"}


async def test_requests_of_one_token_beyond_the_limit_are_refused_before_their_body_is_read(
    harness: ApiHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, entered = asyncio.Event(), asyncio.Event()
    read = harness.builds.list_builds

    async def wait(wanted: Any) -> Any:  # noqa: ANN401  as the store's own
        entered.set()
        await held.wait()
        return await read(wanted)

    monkeypatch.setattr(harness.builds, "list_builds", wait)
    async with limited(harness, running=1) as client:
        first = asyncio.create_task(client.get("/v1/builds"))
        await entered.wait()
        refused = await client.post("/v1/requests", content=b"{")
        problem = assert_problem(refused, 429, "too-much-open")
        assert problem["context"]["setting"] == "WHEELYARD_CONCURRENT_REQUESTS_PER_TOKEN"
        assert refused.headers["Retry-After"] == "5"
        assert (await client.get("/v1/targets", headers=await reader(harness))).status_code == 200
        held.set()
        assert (await first).status_code == 200
        assert (await client.get("/v1/targets")).status_code == 200


async def follow(app: Any, path: str, authorization: str) -> tuple[asyncio.Task[None], asyncio.Event]:  # noqa: ANN401
    """Follow something over ASGI, which httpx only shows when it is over; tell when the first bytes have come."""
    begun = asyncio.Event()
    scope = {
        "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"",
        "headers": [(b"authorization", authorization.encode()), (b"accept", b"text/event-stream")],
        "http_version": "1.1", "scheme": "http", "root_path": "", "client": ("10.0.0.1", 1), "server": ("w", 80),
    }  # fmt: skip

    async def send(message: Any) -> None:  # noqa: ANN401
        if message.get("body"):
            begun.set()

    return asyncio.create_task(app(scope, asyncio.Event().wait, send)), begun


async def test_streams_of_one_token_are_limited_and_end_with_their_readers(harness: ApiHarness) -> None:
    path = f"/v1/builds/{await harness.submit()}/log"
    authorization = harness.client.headers["Authorization"]
    async with limited(harness, streams=2) as client:
        followers = [await follow(harness.app, path, authorization) for _ in range(2)]
        for _, begun in followers:
            await asyncio.wait_for(begun.wait(), 5)
        events = {"Accept": "text/event-stream"}
        problem = assert_problem(await client.get(path, headers=events), 429, "too-much-open")
        assert problem["context"]["setting"] == "WHEELYARD_STREAMS_PER_TOKEN"
        assert (await client.get(path)).status_code == 200
        other, begun = await follow(harness.app, path, (await reader(harness))["Authorization"])
        await asyncio.wait_for(begun.wait(), 5)
        for task in (followers[0][0], other):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        again, begun = await follow(harness.app, path, authorization)
        await asyncio.wait_for(begun.wait(), 5)
        for task in (again, followers[1][0]):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
