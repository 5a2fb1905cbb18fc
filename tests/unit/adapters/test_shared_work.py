import asyncio

import pytest

from wheelyard.adapters.host.shared_work import FairSlots, SlotsBusyError


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
