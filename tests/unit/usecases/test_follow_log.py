"""Following a log: everything once, in order, across attempts, from any point on."""

import asyncio
from dataclasses import dataclass

import pytest
from tests.contract.samples import BEGINNING, ManualClock, sample_order, sample_wheel
from tests.fakes.builds import MemoryAttempts, MemoryBuilds, MemoryLogs
from tests.fakes.records import MemoryState

from wheelyard.domain.builds.build import MissingRelease, Stage, Status
from wheelyard.domain.builds.records import Claim, LogPart, Outcome
from wheelyard.errors import NotFoundError
from wheelyard.usecases.follow_log import FollowLog, LogEvent, LogPosition, LogText, StatusChange

SUCCESS = Outcome(status=Status.SUCCEEDED, wheel=sample_wheel())


@dataclass(frozen=True, kw_only=True, slots=True)
class Harness:
    """A build in memory, a worker's hands on it, and a follower."""

    build_id: str
    state: MemoryState
    clock: ManualClock
    attempts: MemoryAttempts
    follow: FollowLog

    async def claim(self, worker: str = "worker-1") -> Claim:
        claim = await self.attempts.claim(self.build_id, worker=worker, lease_seconds=20)
        assert claim is not None
        return claim

    async def events(self, start: LogPosition | None = None) -> list[LogEvent]:
        async def read() -> list[LogEvent]:
            return [event async for event in self.follow(self.build_id, start=start or LogPosition())]

        return await asyncio.wait_for(read(), 10)


@pytest.fixture
async def harness() -> Harness:
    clock = ManualClock(BEGINNING)
    state = MemoryState(clock=clock)
    builds = MemoryBuilds(state)
    submission = await builds.submit(sample_order(), requested_by="tests")
    follow = FollowLog(builds=builds, logs=MemoryLogs(state, part_bytes=3))
    attempts = MemoryAttempts(state)
    return Harness(build_id=submission.build.id, state=state, clock=clock, attempts=attempts, follow=follow)


def text_of(events: list[LogEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, LogText))


async def test_finished_build_is_told_whole_and_ends_with_its_status(harness: Harness) -> None:
    claim = await harness.claim()
    await harness.attempts.append_log(claim, b"a longer text")
    await harness.attempts.finish(claim, SUCCESS)
    events = await harness.events()
    assert text_of(events) == "a longer text"
    end = StatusChange(status=Status.SUCCEEDED, stage=None, attempt=1, position=LogPosition(attempt=1, offset=13))
    assert events[-1] == end
    assert [event for event in events if isinstance(event, StatusChange)] == [end]


async def test_live_build_is_told_as_it_goes(harness: Harness) -> None:
    following = asyncio.create_task(harness.events())
    await asyncio.sleep(0.01)
    claim = await harness.claim()
    for stage in (Stage.FETCH, Stage.BUILD):
        await harness.attempts.enter_stage(claim, stage)
        await harness.attempts.append_log(claim, stage.value.encode())
        await asyncio.sleep(0.01)
    await harness.attempts.finish(claim, SUCCESS)
    events = await following
    assert text_of(events) == "fetchbuild"
    changes = [(event.status, event.stage) for event in events if isinstance(event, StatusChange)]
    assert changes == [
        (Status.QUEUED, None),
        (Status.RUNNING, Stage.FETCH),
        (Status.RUNNING, Stage.BUILD),
        (Status.SUCCEEDED, None),
    ]


@pytest.mark.parametrize("text", ["plain", "\u00e4\u00f6\u00fc", "1\u20ac", "\U0001f6de wheel"])
async def test_characters_are_never_cut(harness: Harness, text: str) -> None:
    claim = await harness.claim()
    await harness.attempts.append_log(claim, text.encode())
    await harness.attempts.finish(claim, SUCCESS)
    events = await harness.events()
    assert text_of(events) == text
    for seen, event in enumerate(events, start=1):
        assert text_of(await harness.events(event.position)) == text_of(events[seen:])


async def test_bytes_that_are_no_text_are_replaced_also_at_the_very_end(harness: Harness) -> None:
    claim = await harness.claim()
    await harness.attempts.append_log(claim, b"ok \xff and cut \xe2\x82")
    await harness.attempts.finish(claim, SUCCESS)
    assert text_of(await harness.events()) == "ok \ufffd and cut \ufffd"


async def test_taken_over_build_tells_both_attempts_in_order(harness: Harness) -> None:
    await harness.attempts.append_log(await harness.claim(), b"first, cut \xe2")
    harness.clock.advance(60)
    second = await harness.claim("worker-2")
    await harness.attempts.append_log(second, b"second")
    await harness.attempts.finish(second, SUCCESS)
    events = await harness.events()
    assert text_of(events) == "first, cut \ufffdsecond"
    assert text_of(await harness.events(LogPosition(attempt=1, offset=12))) == "second"
    assert text_of(await harness.events(LogPosition(attempt=2))) == "second"


async def test_what_a_build_waits_for_is_told(harness: Harness) -> None:
    needs = (MissingRelease(project="needed", version="2.0"),)
    await harness.attempts.finish(await harness.claim(), Outcome(status=Status.QUEUED, counts=False, needs=needs))
    following = asyncio.create_task(harness.events())
    await asyncio.sleep(0.05)
    await MemoryBuilds(harness.state).request_cancel(harness.build_id, requested_by="tests")
    waits = [event.waits_for for event in await following if isinstance(event, StatusChange)]
    assert waits == [("needed 2.0",), ()]


async def test_build_cancelled_in_the_queue_ends_at_once(harness: Harness) -> None:
    await MemoryBuilds(harness.state).request_cancel(harness.build_id, requested_by="tests")
    (event,) = await harness.events()
    assert event == StatusChange(status=Status.CANCELLED, stage=None, attempt=0, position=LogPosition())


async def test_position_beyond_the_log_gives_no_text(harness: Harness) -> None:
    claim = await harness.claim()
    await harness.attempts.append_log(claim, b"short")
    await harness.attempts.finish(claim, SUCCESS)
    for position in (LogPosition(attempt=1, offset=5), LogPosition(attempt=1, offset=99), LogPosition(attempt=7)):
        (event,) = await harness.events(position)
        assert isinstance(event, StatusChange)


class CountingLogs(MemoryLogs):
    """Counts how often somebody reads."""

    reads = 0

    async def read(self, build_id: str, *, attempt: int | None = None, offset: int = 0) -> LogPart:
        self.reads += 1
        return await super().read(build_id, attempt=attempt, offset=offset)


async def test_reader_reads_each_piece_once_and_nothing_for_a_change_of_stage(harness: Harness) -> None:
    logs = CountingLogs(harness.state)
    follow = FollowLog(builds=MemoryBuilds(harness.state), logs=logs)
    claim = await harness.claim()
    events = follow(harness.build_id, start=LogPosition())
    first = await anext(events)
    for number in range(1, 4):
        await harness.attempts.append_log(claim, b"piece\n")
        text = await anext(events)
        await harness.attempts.enter_stage(claim, list(Stage)[number])
        change = await anext(events)
        assert (text_of([text]), type(change), logs.reads) == ("piece\n", StatusChange, number)
    assert isinstance(first, StatusChange)
    await events.aclose()


async def test_unknown_build_is_not_found(harness: Harness) -> None:
    with pytest.raises(NotFoundError):
        await anext(harness.follow("no-such-build", start=LogPosition()))


async def test_reader_that_leaves_is_forgotten(harness: Harness) -> None:
    events = harness.follow(harness.build_id, start=LogPosition())
    await anext(events)
    await events.aclose()
    assert not harness.state._waiting


def test_position_is_read_as_it_is_written() -> None:
    position = LogPosition(attempt=2, offset=4711)
    assert LogPosition.parse(str(position)) == position


@pytest.mark.parametrize("text", ["", ":", "1:", ":1", "1:2:3", "-1:0", "1:-1", " 1:1", "1_0:1", "9" * 20 + ":1"])
def test_anything_else_is_no_position(text: str) -> None:
    with pytest.raises(ValueError, match="is not a log position"):
        LogPosition.parse(text)


@pytest.mark.parametrize("part_bytes", [1, 2, 3, 5, 1000])
async def test_reader_resumes_at_the_right_byte_after_what_is_no_text(harness: Harness, part_bytes: int) -> None:
    log = b"\xff\xfe\xe2\x82 one\nt\xffwo \xe2\x82\xac\r50%\r\nthree\n\xff half"
    claim = await harness.claim()
    await harness.attempts.append_log(claim, log)
    harness.follow._logs = MemoryLogs(harness.state, part_bytes=part_bytes)
    following = harness.follow(harness.build_id, start=LogPosition())
    told: list[LogEvent] = []
    while not (isinstance(told[-1:] and told[-1], StatusChange)):
        told.append(await anext(following))
    await following.aclose()
    assert text_of(told) == log.rpartition(b"\n")[0].decode(errors="replace") + "\n"
    assert told[-1].position == LogPosition(attempt=1, offset=log.rindex(b"\n") + 1)
    await harness.attempts.append_log(claim, b" of it\n")
    await harness.attempts.finish(claim, SUCCESS)
    whole = log + b" of it\n"
    for event in told:
        rest = whole[event.position.offset :].decode(errors="replace")
        assert text_of(await harness.events(event.position)) == rest


async def test_line_without_an_end_is_told_in_pieces_that_cut_no_character(harness: Harness) -> None:
    harness.follow._logs = MemoryLogs(harness.state, part_bytes=1 << 16)
    claim = await harness.claim()
    text = "a" + "\u20ac" * 60_000
    await harness.attempts.append_log(claim, text.encode())
    await harness.attempts.finish(claim, SUCCESS)
    events = await harness.events()
    assert text_of(events) == text
    assert len(events) > 2
