"""A build's log over REST: as text, and followed as events that can be resumed."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from tests.contract.samples import sample_wheel
from tests.fakes.builds import MemoryLogs
from tests.unit.api_harness import ApiHarness, Event, api_harness, assert_problem, read_events

from wheelyard.domain.builds.build import Stage, Status
from wheelyard.domain.builds.records import LogPart, Outcome
from wheelyard.errors import DatabaseUnavailableError

UNSEEN = {"text": "unseen", "origin": "container", "stage": None, "at": None}
SUCCESS = Outcome(status=Status.SUCCEEDED, wheel=sample_wheel())


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[ApiHarness]:
    async with api_harness(tmp_path, heartbeat_seconds=0.02) as made:
        yield made


async def follow(harness: ApiHarness, build_id: str, last_event_id: str | None = None) -> httpx.Response:
    headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last_event_id} if last_event_id else {})
    return await asyncio.wait_for(harness.client.get(f"/v1/builds/{build_id}/log", headers=headers), 10)


async def logged(harness: ApiHarness, *pieces: bytes) -> str:
    build_id = await harness.submit()
    claim = await harness.claim(build_id)
    for piece in pieces:
        await harness.attempts.append_log(claim, piece)
    await harness.attempts.finish(claim, SUCCESS)
    return build_id


async def test_log_is_plain_text_unless_events_are_asked_for(harness: ApiHarness) -> None:
    build_id = await logged(harness, b"one\n", "zw\u00f6lf\n".encode())
    response = await harness.client.get(f"/v1/builds/{build_id}/log")
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.text == "| one\n| zw\u00f6lf\n"


async def test_long_log_is_sent_in_parts_to_its_end(harness: ApiHarness) -> None:
    pieces = [bytes([65 + n]) * 10_000 + b"\n" for n in range(30)]
    build_id = await logged(harness, *pieces)
    assert (await harness.client.get(f"/v1/builds/{build_id}/log")).content == b"".join(
        b"| " + piece for piece in pieces
    )


async def test_log_of_a_queued_build_is_empty(harness: ApiHarness) -> None:
    response = await harness.client.get(f"/v1/builds/{await harness.submit()}/log")
    assert (response.status_code, response.content) == (200, b"")


async def test_log_of_an_earlier_attempt_can_be_read(harness: ApiHarness) -> None:
    build_id = await harness.submit()
    await harness.attempts.append_log(await harness.claim(build_id), b"first")
    harness.clock.advance(60)
    await harness.attempts.append_log(await harness.claim(build_id), b"second")
    url = f"/v1/builds/{build_id}/log"
    assert (await harness.client.get(url)).text == "| second\n"
    assert (await harness.client.get(url, params={"attempt": 1})).text == "| first\n"
    assert_problem(await harness.client.get(url, params={"attempt": 3}), 404, "not-found")


async def test_followed_log_ends_with_the_build(harness: ApiHarness) -> None:
    build_id = await harness.submit()
    following = asyncio.create_task(follow(harness, build_id))
    await asyncio.sleep(0.05)
    claim = await harness.claim(build_id)
    await harness.attempts.enter_stage(claim, Stage.BUILD)
    await harness.attempts.append_log(claim, b"compiling\n")
    await asyncio.sleep(0.05)
    await harness.attempts.append_log(claim, b"linking\n")
    await harness.attempts.finish(claim, SUCCESS)
    response = await following
    events = read_events(response.text)
    assert "".join(event.data["text"] for event in events if event.name == "log") == "compiling\nlinking\n"
    statuses = [event.data for event in events if event.name == "status"]
    assert statuses[0] == {"status": "queued", "stage": None, "attempt": 0, "waits_for": []}
    assert {"status": "running", "stage": "build", "attempt": 1, "waits_for": []} in statuses
    assert statuses[-1] == {"status": "succeeded", "stage": None, "attempt": 1, "waits_for": []}
    assert events[-1] == Event(name="end", data={"status": "succeeded"}, id="1:18")
    assert ": still here\n\n" in response.text
    assert response.text.startswith("retry: 2000\n\n")


async def test_events_are_kept_from_buffers_and_caches(harness: ApiHarness) -> None:
    response = await follow(harness, await logged(harness, b"x"))
    assert response.headers["Content-Type"].startswith("text/event-stream")
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Accel-Buffering"] == "no"


async def test_reader_resumes_after_any_event_without_gap_or_repeat(harness: ApiHarness) -> None:
    log = "eins\nzw\u00f6lf \U0001f6de\n".encode() * 4
    build_id = await logged(harness, *(log[n : n + 3] for n in range(0, len(log), 3)))
    harness.services.follow_log._logs = MemoryLogs(harness.logs._state, part_bytes=2)
    whole = [event for event in read_events((await follow(harness, build_id)).text) if event.name == "log"]
    assert "".join(event.data["text"] for event in whole) == log.decode()
    assert len(whole) > 5
    for seen, event in enumerate(whole, start=1):
        rest = read_events((await follow(harness, build_id, event.id)).text)
        text = "".join(one.data["text"] for one in rest if one.name == "log")
        assert text == "".join(one.data["text"] for one in whole[seen:])
        assert rest[-1].name == "end"


async def test_query_resumes_where_the_header_cannot_be_set(harness: ApiHarness) -> None:
    build_id = await logged(harness, b"seen, unseen")
    headers = {"Accept": "text/event-stream"}
    response = await harness.client.get(f"/v1/builds/{build_id}/log", params={"after": "1:6"}, headers=headers)
    assert read_events(response.text)[0] == Event(name="log", data=UNSEEN, id="1:12")


@pytest.mark.parametrize("position", ["x", "1", "1:-1", "1:2:3", "\u0661:0", "9" * 30 + ":0"])
async def test_senseless_position_is_refused(harness: ApiHarness, position: str) -> None:
    build_id = await logged(harness, b"x")
    headers = {"Accept": "text/event-stream"}
    response = await harness.client.get(f"/v1/builds/{build_id}/log", params={"after": position}, headers=headers)
    assert_problem(response, 422, "invalid-request")


async def test_followed_log_of_an_unknown_build_is_not_found(harness: ApiHarness) -> None:
    assert_problem(await follow(harness, "00000000-0000-0000-0000-000000000001"), 404, "not-found")


async def test_stopping_server_lets_go_of_readers_without_an_end(harness: ApiHarness) -> None:
    following = asyncio.create_task(follow(harness, await harness.submit()))
    await asyncio.sleep(0.05)
    harness.services.stopping.set()
    events = read_events((await following).text)
    assert [event.name for event in events] == ["status"]


async def test_lost_database_ends_the_stream_with_a_problem(
    harness: ApiHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_id = await harness.submit()
    await harness.attempts.append_log(await harness.claim(build_id), b"words")

    async def fail(*_args: object, **_options: object) -> LogPart:
        raise DatabaseUnavailableError(reason="it was switched off")

    monkeypatch.setattr(harness.logs, "read", fail)
    events = read_events((await follow(harness, build_id)).text)
    assert [event.name for event in events] == ["problem"]
    assert (events[0].data["code"], events[0].data["retryable"]) == ("database-unavailable", True)


@pytest.mark.parametrize(
    ("accept", "is_events"),
    [
        ("text/event-stream", True),
        ("Text/Event-Stream; charset=utf-8", True),
        ("text/plain, text/event-stream;q=0.5", True),
        ("*/*", False),
        ("text/*", False),
        ("application/json", False),
    ],
)
async def test_form_of_the_log_is_chosen_by_accept(harness: ApiHarness, accept: str, is_events: bool) -> None:  # noqa: FBT001
    build_id = await logged(harness, b"x")
    response = await harness.client.get(f"/v1/builds/{build_id}/log", headers={"Accept": accept})
    assert response.headers["Content-Type"].startswith("text/event-stream") is is_events
    assert response.headers["Vary"] == "Accept"
