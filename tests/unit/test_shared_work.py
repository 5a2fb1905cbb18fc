import asyncio

import pytest

from wheelyard.adapters.host.shared_work import FairSlots, RecentAnswers, SingleFlight, SlotsBusyError


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
    answers = RecentAnswers[str, int](seconds=5, clock=lambda: now[0])
    answers.keep("k", 1)
    now[0] = 4.9
    assert answers.fresh("k") == 1
    now[0] = 5.0
    assert answers.fresh("k") is None
    assert answers.last("k") == 1


def test_answer_asked_for_longest_ago_goes_first() -> None:
    answers = RecentAnswers[str, int](seconds=5, limit=2)
    answers.keep("a", 1)
    answers.keep("b", 2)
    answers.last("a")
    answers.keep("c", 3)
    assert [answers.last(key) for key in "abc"] == [1, None, 3]


def test_heavy_answers_leave_room_for_fewer() -> None:
    answers = RecentAnswers[str, str](seconds=5, limit=4, weigh=len)
    for key, value in (("a", "11"), ("b", "2"), ("c", "3"), ("b", "2222"), ("d", "55555")):
        assert answers.keep(key, value) == value
        kept = {key: held for key in "abcd" if (held := answers.last(key))}
        assert sum(map(len, kept.values())) <= 4
        assert (key in kept) is (len(value) <= 4)
    assert kept == {}


class Clerk:
    """Work that callers want done in slots: it notes whose was begun, in turn, and ends when it is told to."""

    def __init__(self, slots: FairSlots) -> None:
        self.slots = slots
        self.begun: list[str] = []
        self.most = 0
        self.running = 0
        self.gates: dict[str, asyncio.Event] = {}

    async def work(self, caller: str, *, wait_seconds: float | None = None) -> None:
        async with self.slots.slot(caller, wait_seconds=wait_seconds):
            self.begun.append(caller)
            self.running += 1
            self.most = max(self.most, self.running)
            try:
                await self.gates.setdefault(caller, asyncio.Event()).wait()
            finally:
                self.running -= 1

    def start(self, caller: str, count: int = 1) -> list[asyncio.Task[None]]:
        return [asyncio.create_task(self.work(caller)) for _ in range(count)]

    def finish(self, *callers: str) -> None:
        for caller in callers:
            self.gates.setdefault(caller, asyncio.Event()).set()


async def test_no_more_runs_at_once_than_there_are_slots() -> None:
    clerk = Clerk(FairSlots(3))
    tasks = [task for caller in "abcdef" for task in clerk.start(caller, 5)]
    await asyncio.sleep(0.01)
    clerk.finish(*"abcdef")
    await asyncio.gather(*tasks)
    assert (len(clerk.begun), clerk.most) == (30, 3)


async def test_caller_with_much_work_leaves_slots_to_others() -> None:
    clerk = Clerk(FairSlots(4))
    greedy = clerk.start("greedy", 20)
    await asyncio.sleep(0.01)
    assert clerk.begun == ["greedy", "greedy"]
    single = clerk.start("single")
    await asyncio.sleep(0.01)
    assert clerk.begun == ["greedy", "greedy", "single"]
    clerk.finish("greedy", "single")
    await asyncio.gather(*greedy, *single)


async def test_callers_that_wait_are_served_in_turn() -> None:
    clerk = Clerk(FairSlots(1))
    first = clerk.start("first")
    await asyncio.sleep(0.01)
    others = [*clerk.start("greedy", 3), *clerk.start("single")]
    await asyncio.sleep(0.01)
    clerk.finish("first", "greedy", "single")
    await asyncio.gather(*first, *others)
    assert clerk.begun == ["first", "greedy", "single", "greedy", "greedy"]


async def test_wait_for_a_slot_is_bounded_and_leaves_nothing_behind() -> None:
    clerk = Clerk(FairSlots(1))
    holding = clerk.start("holder")
    await asyncio.sleep(0.01)
    with pytest.raises(SlotsBusyError):
        await clerk.work("late", wait_seconds=0.01)
    clerk.finish("holder", "late")
    await asyncio.gather(*holding)
    await clerk.work("late", wait_seconds=1)


async def test_who_gives_up_waiting_gives_way() -> None:
    clerk = Clerk(FairSlots(1))
    holding, (leaving,), (next_one,) = clerk.start("holder"), clerk.start("leaving"), clerk.start("next")
    await asyncio.sleep(0.01)
    leaving.cancel()
    clerk.finish("holder", "next")
    await asyncio.gather(*holding, next_one)
    assert clerk.begun == ["holder", "next"]


async def test_who_is_cancelled_as_its_turn_comes_gives_the_slot_back() -> None:
    slots = FairSlots(1)
    clerk = Clerk(slots)
    (holding,) = clerk.start("holder")
    await asyncio.sleep(0.01)
    (leaving,) = clerk.start("leaving")
    await asyncio.sleep(0.01)
    clerk.finish("holder", "next")
    await holding
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    await clerk.work("next", wait_seconds=1)


async def test_more_of_a_caller_than_may_wait_is_refused_at_once() -> None:
    clerk = Clerk(FairSlots(1, most_waiting=2))
    tasks = clerk.start("greedy", 3)
    await asyncio.sleep(0.01)
    with pytest.raises(SlotsBusyError):
        await clerk.work("greedy")
    other = clerk.start("other")
    clerk.finish("greedy", "other")
    await asyncio.gather(*tasks, *other)
