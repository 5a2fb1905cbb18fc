import asyncio
from functools import partial
from itertools import count

import pytest

from wheelyard.memory_cache import MemoryCache, SingleFlight


class Work:
    """Work that waits until it is let go, and counts what became of it."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.started = 0
        self.cleaned = 0

    async def __call__(self) -> int:
        self.started += 1
        try:
            await self.gate.wait()
        finally:
            await asyncio.sleep(0)
            self.cleaned += 1
        return self.started


async def started(flight: SingleFlight[str, int], work: Work, count: int, key: str = "k") -> list[asyncio.Task[int]]:
    tasks = [asyncio.create_task(flight.run(key, work)) for _ in range(count)]
    await asyncio.sleep(0.01)
    return tasks


async def test_burst_of_equal_calls_is_one_piece_of_work() -> None:
    flight, work = SingleFlight[str, int](), Work()
    tasks = await started(flight, work, 20)
    work.gate.set()
    assert await asyncio.gather(*tasks) == [1] * 20


async def test_other_key_is_other_work() -> None:
    flight, work = SingleFlight[str, int](), Work()
    tasks = [*await started(flight, work, 1, "a"), *await started(flight, work, 1, "b")]
    work.gate.set()
    await asyncio.gather(*tasks)
    assert work.started == 2


async def test_work_that_has_ended_is_done_again() -> None:
    flight, work = SingleFlight[str, int](), Work()
    work.gate.set()
    assert [await flight.run("k", work), await flight.run("k", work)] == [1, 2]


async def test_everybody_gets_the_error() -> None:
    async def fail() -> int:
        await asyncio.sleep(0)
        raise ValueError("no")

    flight = SingleFlight[str, int]()
    results = await asyncio.gather(*(flight.run("k", fail) for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [ValueError] * 3


async def test_one_cancelled_caller_does_not_end_the_work_of_others() -> None:
    flight, work = SingleFlight[str, int](), Work()
    first, second = await started(flight, work, 2)
    first.cancel()
    await asyncio.sleep(0.01)
    work.gate.set()
    assert await second == 1
    assert first.cancelled()


async def test_last_cancelled_caller_ends_the_work_and_waits_for_its_cleaning_up() -> None:
    flight, work = SingleFlight[str, int](), Work()
    (only,) = await started(flight, work, 1)
    only.cancel()
    with pytest.raises(asyncio.CancelledError):
        await only
    assert work.cleaned == 1


async def test_caller_that_comes_during_a_cancellation_starts_anew() -> None:
    flight, work = SingleFlight[str, int](), Work()
    (only,) = await started(flight, work, 1)
    only.cancel()
    await asyncio.sleep(0)
    work.gate.set()
    assert await flight.run("k", work) == 2


def test_answer_is_fresh_only_for_its_time() -> None:
    now = [0.0]
    answers = MemoryCache[str, int](seconds=5, clock=lambda: now[0])
    answers.keep("k", 1)
    now[0] = 4.9
    assert answers.fresh("k") == 1
    now[0] = 5.0
    assert answers.fresh("k") is None
    assert answers.last("k") == 1


async def test_answer_is_asked_for_once_while_it_is_fresh_and_a_failure_is_not_kept() -> None:
    now, asked = [0.0], count(1)

    async def ask() -> int:
        await asyncio.sleep(0)
        if (number := next(asked)) == 2:
            raise TimeoutError
        return number

    cache = MemoryCache[str, int](seconds=5, clock=lambda: now[0])
    assert list(await asyncio.gather(cache.get("k", ask), cache.get("k", ask))) == [1, 1]
    assert await cache.get("k", ask) == 1
    now[0] = 5.0
    with pytest.raises(TimeoutError):
        await cache.get("k", ask)
    assert [await cache.get("k", ask), cache.fresh("k")] == [3, 3]
    cache.forget("k")
    assert cache.last("k") is None


def test_answer_asked_for_longest_ago_goes_first() -> None:
    answers = MemoryCache[str, int](seconds=5, limit=2)
    answers.keep("a", 1)
    answers.keep("b", 2)
    answers.last("a")
    answers.keep("c", 3)
    assert [answers.last(key) for key in "abc"] == [1, None, 3]


def test_heavy_answers_leave_room_for_fewer() -> None:
    answers = MemoryCache[str, str](seconds=5, limit=4, weigh=len)
    for key, value in (("a", "11"), ("b", "2"), ("c", "3"), ("b", "2222"), ("d", "55555")):
        assert answers.keep(key, value) == value
        kept = {key: held for key in "abcd" if (held := answers.last(key))}
        assert sum(map(len, kept.values())) <= 4
        assert (key in kept) is (len(value) <= 4)
    assert kept == {}


async def test_old_answer_is_given_while_a_newer_one_is_on_its_way() -> None:
    answers, now = count(1), 0.0
    gate = asyncio.Event()
    gate.set()

    async def ask() -> int:
        await gate.wait()
        return next(answers)

    cache = MemoryCache[str, int](clock=lambda: now)
    latest = partial(cache.get_latest, "k", ask, seconds=10)
    assert list(await asyncio.gather(latest(), latest())) == [1, 1]
    now = 11.0
    gate.clear()
    assert [await latest(), await latest()] == [
        1,
        1,
    ]
    gate.set()
    await asyncio.sleep(0.01)
    assert await latest() == 2


async def test_failed_question_leaves_the_last_answer_and_is_asked_again() -> None:
    now, fails = 0.0, False

    async def ask() -> str:
        if fails:
            raise TimeoutError
        return "answer"

    cache = MemoryCache[str, str](clock=lambda: now)
    latest = partial(cache.get_latest, "k", ask, seconds=10)
    assert await latest() == "answer"
    now, fails = 11.0, True
    assert [await latest() for _ in range(2)] == ["answer", "answer"]
    await asyncio.sleep(0.01)
    assert await latest() == "answer"
