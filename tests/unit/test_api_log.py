"""A build's log over REST: as text, and followed as events that can be resumed."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from tests.contract.samples import sample_wheel
from tests.fakes.builds import MemoryLogs
from tests.unit.api_stand import ApiStand, Event, api_stand, assert_problem, read_events

from wheelyard.domain.builds.build import Stage, Status
from wheelyard.domain.builds.records import LogPart, Outcome
from wheelyard.errors import DatabaseUnavailableError

UNSEEN = {"text": "unseen", "origin": "container", "stage": None, "at": None}
SUCCESS = Outcome(status=Status.SUCCEEDED, wheel=sample_wheel())


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[ApiStand]:
    async with api_stand(tmp_path, heartbeat_seconds=0.02) as made:
        yield made


async def follow(stand: ApiStand, build_id: str, last_event_id: str | None = None) -> httpx.Response:
    headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last_event_id} if last_event_id else {})
    return await asyncio.wait_for(stand.client.get(f"/v1/builds/{build_id}/log", headers=headers), 10)


async def logged(stand: ApiStand, *pieces: bytes) -> str:
    build_id = await stand.submit()
    claim = await stand.claim(build_id)
    for piece in pieces:
        await stand.attempts.append_log(claim, piece)
    await stand.attempts.finish(claim, SUCCESS)
    return build_id


async def test_log_is_plain_text_unless_events_are_asked_for(stand: ApiStand) -> None:
    build_id = await logged(stand, b"one\n", "zw\u00f6lf\n".encode())
    response = await stand.client.get(f"/v1/builds/{build_id}/log")
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.text == "| one\n| zw\u00f6lf\n"


async def test_long_log_is_sent_in_parts_to_its_end(stand: ApiStand) -> None:
    pieces = [bytes([65 + n]) * 10_000 + b"\n" for n in range(30)]
    build_id = await logged(stand, *pieces)
    assert (await stand.client.get(f"/v1/builds/{build_id}/log")).content == b"".join(b"| " + piece for piece in pieces)


async def test_log_of_a_queued_build_is_empty(stand: ApiStand) -> None:
    response = await stand.client.get(f"/v1/builds/{await stand.submit()}/log")
    assert (response.status_code, response.content) == (200, b"")


async def test_log_of_an_earlier_attempt_can_be_read(stand: ApiStand) -> None:
    build_id = await stand.submit()
    await stand.attempts.append_log(await stand.claim(build_id), b"first")
    stand.clock.advance(60)
    await stand.attempts.append_log(await stand.claim(build_id), b"second")
    url = f"/v1/builds/{build_id}/log"
    assert (await stand.client.get(url)).text == "| second\n"
    assert (await stand.client.get(url, params={"attempt": 1})).text == "| first\n"
    assert_problem(await stand.client.get(url, params={"attempt": 3}), 404, "not-found")


async def test_followed_log_ends_with_the_build(stand: ApiStand) -> None:
    build_id = await stand.submit()
    following = asyncio.create_task(follow(stand, build_id))
    await asyncio.sleep(0.05)
    claim = await stand.claim(build_id)
    await stand.attempts.enter_stage(claim, Stage.BUILD)
    await stand.attempts.append_log(claim, b"compiling\n")
    await asyncio.sleep(0.05)
    await stand.attempts.append_log(claim, b"linking\n")
    await stand.attempts.finish(claim, SUCCESS)
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


async def test_events_are_kept_from_buffers_and_caches(stand: ApiStand) -> None:
    response = await follow(stand, await logged(stand, b"x"))
    assert response.headers["Content-Type"].startswith("text/event-stream")
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Accel-Buffering"] == "no"


async def test_reader_resumes_after_any_event_without_gap_or_repeat(stand: ApiStand) -> None:
    log = "eins\nzw\u00f6lf \U0001f6de\n".encode() * 4
    build_id = await logged(stand, *(log[n : n + 3] for n in range(0, len(log), 3)))
    stand.services.follow_log._logs = MemoryLogs(stand.logs._state, part_bytes=2)
    whole = [event for event in read_events((await follow(stand, build_id)).text) if event.name == "log"]
    assert "".join(event.data["text"] for event in whole) == log.decode()
    assert len(whole) > 5
    for seen, event in enumerate(whole, start=1):
        rest = read_events((await follow(stand, build_id, event.id)).text)
        text = "".join(one.data["text"] for one in rest if one.name == "log")
        assert text == "".join(one.data["text"] for one in whole[seen:])
        assert rest[-1].name == "end"


async def test_query_resumes_where_the_header_cannot_be_set(stand: ApiStand) -> None:
    build_id = await logged(stand, b"seen, unseen")
    headers = {"Accept": "text/event-stream"}
    response = await stand.client.get(f"/v1/builds/{build_id}/log", params={"after": "1:6"}, headers=headers)
    assert read_events(response.text)[0] == Event(name="log", data=UNSEEN, id="1:12")


@pytest.mark.parametrize("position", ["x", "1", "1:-1", "1:2:3", "\u0661:0", "9" * 30 + ":0"])
async def test_senseless_position_is_refused(stand: ApiStand, position: str) -> None:
    build_id = await logged(stand, b"x")
    headers = {"Accept": "text/event-stream"}
    response = await stand.client.get(f"/v1/builds/{build_id}/log", params={"after": position}, headers=headers)
    assert_problem(response, 422, "invalid-request")


async def test_followed_log_of_an_unknown_build_is_not_found(stand: ApiStand) -> None:
    assert_problem(await follow(stand, "00000000-0000-0000-0000-000000000001"), 404, "not-found")


async def test_stopping_server_lets_go_of_readers_without_an_end(stand: ApiStand) -> None:
    following = asyncio.create_task(follow(stand, await stand.submit()))
    await asyncio.sleep(0.05)
    stand.services.stopping.set()
    events = read_events((await following).text)
    assert [event.name for event in events] == ["status"]


async def test_lost_database_ends_the_stream_with_a_problem(stand: ApiStand, monkeypatch: pytest.MonkeyPatch) -> None:
    build_id = await stand.submit()
    await stand.attempts.append_log(await stand.claim(build_id), b"words")

    async def fail(*_args: object, **_options: object) -> LogPart:
        raise DatabaseUnavailableError(reason="it was switched off")

    monkeypatch.setattr(stand.logs, "read", fail)
    events = read_events((await follow(stand, build_id)).text)
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
async def test_form_of_the_log_is_chosen_by_accept(stand: ApiStand, accept: str, is_events: bool) -> None:  # noqa: FBT001
    build_id = await logged(stand, b"x")
    response = await stand.client.get(f"/v1/builds/{build_id}/log", headers={"Accept": accept})
    assert response.headers["Content-Type"].startswith("text/event-stream") is is_events
    assert response.headers["Vary"] == "Accept"
