"""An attempt's log: everything arrives in order, within its limit, and a database that is away loses nothing."""

import asyncio
import time

import pytest
from tests.contract.samples import sample_order

from wheelyard.domain.builds.build import MAX_LOG_EXCERPT_LINES
from wheelyard.domain.builds.log_text import gutter_text
from wheelyard.domain.builds.records import Claim
from wheelyard.errors import DatabaseUnavailableError
from wheelyard.pipeline.attempt_log import AttemptLog, Throttle

CLAIM = Claim(build_id="b1", attempt=1, worker="worker-1", order=sample_order())


class LogKeeper:
    """What takes logs of an attempt; it can be away, or fail for good."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.fault: Exception | None = None
        self.refused = asyncio.Event()
        self.slow = False
        """While true, a piece waits for ``go_on`` before it is kept."""
        self.sending, self.go_on = asyncio.Event(), asyncio.Event()

    async def append_log(self, claim: Claim, data: bytes) -> bool:
        assert claim == CLAIM
        if self.fault is not None:
            self.refused.set()
            raise self.fault
        if self.slow:
            self.sending.set()
            await self.go_on.wait()
        self.pieces.append(data)
        return True

    @property
    def data(self) -> bytes:
        return b"".join(self.pieces)


@pytest.fixture
def store() -> LogKeeper:
    return LogKeeper()


def log_on(
    store: LogKeeper, limit_bytes: int = 1 << 30, patience_seconds: float = 5.0, bytes_per_second: int = 1 << 30
) -> AttemptLog:
    throttle = Throttle(bytes_per_second)
    return AttemptLog(
        store.append_log, CLAIM, limit_bytes=limit_bytes, throttle=throttle, patience_seconds=patience_seconds
    )


async def test_everything_arrives_in_order(store: LogKeeper) -> None:
    expected = b""
    async with log_on(store) as log:
        for number in range(100):
            expected += f"line {number}\n".encode()
            await log.write(f"line {number}\n".encode())
    assert store.data == expected
    assert not log.truncated


async def test_many_small_pieces_are_sent_together(store: LogKeeper) -> None:
    async with log_on(store) as log:
        for _ in range(1000):
            await log.write(b"x")
    assert (len(store.data), len(store.pieces)) == (1000, 1)


async def test_long_log_is_sent_in_bounded_pieces(store: LogKeeper) -> None:
    async with log_on(store) as log:
        for _ in range(12):
            await log.write(b"x" * (64 << 10))
    assert (len(store.data), len(store.pieces)) == (768 << 10, 2)


async def test_reader_sees_what_was_written_while_the_attempt_goes_on(store: LogKeeper) -> None:
    async with asyncio.timeout(10), log_on(store) as log:
        await log.write(b"early\n")
        while not store.data:  # noqa: ASYNC110 - the flusher keeps its own time
            await asyncio.sleep(0.01)
        assert store.data == b"early\n"


async def test_log_without_words_sends_nothing(store: LogKeeper) -> None:
    async with log_on(store) as log:
        await log.write(b"")
    assert store.pieces == []


async def test_log_that_fits_its_limit_exactly_is_whole(store: LogKeeper) -> None:
    async with log_on(store, limit_bytes=10) as log:
        await log.write(b"0123456789")
    assert (store.data, log.truncated) == (b"0123456789", False)


async def test_log_beyond_its_limit_is_cut_with_one_note(store: LogKeeper) -> None:
    async with log_on(store, limit_bytes=10) as log:
        for _ in range(3):
            await log.write(b"01234567")
    note = "==> the log was cut here, at its limit of 10 bytes (WHEELYARD_LIMIT_LOG_BYTES, limits.log)\n"
    assert gutter_text(store.data.decode().strip().split("\n")) == "| 0123456701\n" + note
    assert log.truncated


async def test_tail_goes_on_beyond_the_limit(store: LogKeeper) -> None:
    async with log_on(store, limit_bytes=10) as log:
        await log.write(b"x" * 100)
        await log.write(b"the cause\n")
    assert log.tail().endswith("the cause\n")


async def test_tail_is_bounded_and_text_that_every_database_holds(store: LogKeeper) -> None:
    async with log_on(store) as log:
        await log.write(b"x" * (100 << 10))
        await log.write(b"\xff\x00end")
    assert len(log.tail()) <= 64 << 10
    assert log.tail().endswith("x\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}end")


async def test_lines_that_look_like_an_error_are_kept_before_the_tail(store: LogKeeper) -> None:
    async with log_on(store) as log:
        await log.write(b"CMake Error at CMakeLists.txt:1 (find_package):\n  Could not find it\n")
        for _ in range(100):
            await log.write(b"building\n" * 1000)
    assert log.telling().startswith("CMake Error at CMakeLists.txt:1 (find_package):\n  Could not find it\n")
    assert len(log.telling()) < 66 << 10


async def test_lines_that_look_like_an_error_are_bounded_and_the_first_ones_are_kept(store: LogKeeper) -> None:
    async with log_on(store, limit_bytes=100) as log:
        await log.write(b"the first error: x\n")
        for _ in range(100):
            await log.write(b"error: y\n" * 10000)
    assert log.telling().startswith("the first error: x\n")
    assert len(log.telling()) < 400 << 10


async def test_excerpt_is_the_last_lines(store: LogKeeper) -> None:
    async with log_on(store) as log:
        assert log.excerpt() == ""
        await log.write(b"".join(b"%d\n" % number for number in range(100)))
    assert log.excerpt().splitlines() == [str(number) for number in range(100 - MAX_LOG_EXCERPT_LINES, 100)]


async def test_database_that_is_away_for_a_while_loses_nothing(store: LogKeeper) -> None:
    store.fault = DatabaseUnavailableError(reason="it is away")
    async with asyncio.timeout(10), log_on(store) as log:
        await log.write(b"one ")
        await store.refused.wait()
        await log.write(b"two")
        store.fault = None
    assert store.data == b"one two"


async def test_piece_that_is_just_being_sent_when_the_attempt_ends_is_not_lost(store: LogKeeper) -> None:
    store.slow = True
    async with asyncio.timeout(10), log_on(store) as log:
        await log.write(b"the last words")
        await store.sending.wait()
        asyncio.get_running_loop().call_soon(store.go_on.set)
    assert store.data == b"the last words"


async def test_writer_waits_while_too_much_waits_to_be_sent(store: LogKeeper) -> None:
    store.fault = DatabaseUnavailableError(reason="it is away")
    async with asyncio.timeout(10), log_on(store) as log:
        writing = asyncio.create_task(log.write(b"x" * (2 << 20)))
        await store.refused.wait()
        assert not writing.done()
        store.fault = None
        await writing
    assert len(store.data) == 2 << 20


async def test_flood_is_held_to_its_pace_and_arrives_whole(store: LogKeeper) -> None:
    begun = time.monotonic()
    async with asyncio.timeout(30), log_on(store, bytes_per_second=1 << 20) as log:
        for _ in range(24):
            await log.write(b"x" * (64 << 10))
        seconds = time.monotonic() - begun
    assert len(store.data) == 24 * (64 << 10)
    assert seconds >= 0.5, "a second's worth came at once, half as much again took half a second"


async def test_outburst_waits_for_nothing(store: LogKeeper) -> None:
    store.slow = True
    async with asyncio.timeout(10), log_on(store, bytes_per_second=1 << 20) as log:
        async with asyncio.timeout(0.5):
            for _ in range(16):
                await log.write(b"x" * (64 << 10))
        store.go_on.set()
    assert len(store.data) == 1 << 20


async def test_what_is_cut_off_does_not_hold_up_the_build(store: LogKeeper) -> None:
    async with asyncio.timeout(10), log_on(store, limit_bytes=10, bytes_per_second=64 << 10) as log:
        for _ in range(64):
            await log.write(b"x" * (1 << 20))
    assert store.data.startswith(b'xxxxxxxxxx\n\x1e{"text": "the log was cut here')


async def test_log_ends_though_the_database_stays_away(store: LogKeeper) -> None:
    store.fault = DatabaseUnavailableError(reason="it is away")
    async with asyncio.timeout(10), log_on(store, patience_seconds=0.05) as log:
        await log.write(b"kept for the failure\n")
    assert (store.pieces, log.excerpt()) == ([], "kept for the failure")


async def test_last_words_arrive_when_the_database_comes_back_after_the_end(store: LogKeeper) -> None:
    store.fault = DatabaseUnavailableError(reason="it is away")

    async def come_back() -> None:
        for _ in range(2):
            store.refused.clear()
            await store.refused.wait()
        store.fault = None

    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        tasks.create_task(come_back())
        async with log_on(store) as log:
            await log.write(b"the last words")
    assert store.data == b"the last words"


async def test_log_of_a_program_that_writes_a_few_bytes_at_a_time_keeps_its_tail(store: LogKeeper) -> None:
    async with log_on(store) as log:
        for number in range(40_000):
            await log.write(b"%06d\n" % number)
    assert len(log.tail()) <= 64 << 10
    assert log.tail().endswith("039998\n039999\n")


async def test_writer_does_not_wait_for_a_flusher_that_is_gone(store: LogKeeper) -> None:
    store.fault = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        async with asyncio.timeout(10), log_on(store) as log:
            await log.write(b"x" * (2 << 20))
