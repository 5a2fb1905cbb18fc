"""What every LogStore and TokenStore must keep."""

import asyncio

import pytest
from tests.contract.stores import SUCCESS, Stores

from wheelyard.errors import NotFoundError


class LogContract:
    async def test_build_without_an_attempt_has_no_log_yet(self, stores: Stores) -> None:
        part = await stores.logs.read(await stores.queued())
        assert (part.attempt, part.data, part.finished) == (0, b"", False)

    async def test_log_is_read_from_any_offset(self, stores: Stores) -> None:
        build_id = await stores.queued()
        claim = await stores.claimed(build_id)
        for piece in (b"first\n", b"second\n", "dritte \u00e4\n".encode()):
            assert await stores.attempts.append_log(claim, piece)
        log = "first\nsecond\ndritte \u00e4\n".encode()
        for offset in range(len(log) + 1):
            part = await stores.logs.read(build_id, offset=offset)
            assert (part.attempt, part.offset, part.data) == (1, offset, log[offset:])
            assert not part.finished
        assert (await stores.builds.get(build_id)).attempts[0].log_size_bytes == len(log)

    async def test_log_is_finished_when_its_attempt_is(self, stores: Stores) -> None:
        build_id = await stores.queued()
        claim = await stores.claimed(build_id)
        await stores.attempts.append_log(claim, b"all of it")
        assert not (await stores.logs.read(build_id)).finished
        await stores.attempts.finish(claim, SUCCESS)
        part = await stores.logs.read(build_id, offset=4)
        assert (part.data, part.finished) == (b"of it", True)
        end = await stores.logs.read(build_id, offset=9)
        assert (end.data, end.finished) == (b"", True)

    async def test_empty_log_of_an_ended_attempt_is_finished(self, stores: Stores) -> None:
        part = await stores.logs.read(await stores.finished(SUCCESS))
        assert (part.attempt, part.data, part.finished) == (1, b"", True)

    async def test_large_log_is_read_in_parts_to_its_end(self, stores: Stores) -> None:
        build_id = await stores.queued()
        claim = await stores.claimed(build_id)
        pieces = [bytes([n % 251]) * 50_000 for n in range(70)]
        for piece in pieces:
            await stores.attempts.append_log(claim, piece)
        assert await stores.whole_log(build_id) == b"".join(pieces)
        await stores.attempts.finish(claim, SUCCESS)
        assert await stores.whole_log(build_id) == b"".join(pieces)

    async def test_every_attempt_has_a_log_of_its_own(self, stores: Stores) -> None:
        build_id = await stores.queued()
        await stores.attempts.append_log(await stores.claimed(build_id), b"one")
        await stores.expire_leases()
        await stores.attempts.append_log(await stores.claimed(build_id, "worker-2"), b"two")
        assert [await stores.whole_log(build_id, number) for number in (1, 2, None)] == [b"one", b"two", b"two"]
        assert (await stores.logs.read(build_id, attempt=1)).finished
        with pytest.raises(NotFoundError):
            await stores.logs.read(build_id, attempt=3)

    async def test_watch_yields_at_once_and_on_every_kind_of_change(self, stores: Stores) -> None:
        build_id = await stores.queued()
        async with stores.logs.watch(build_id) as changes:
            await anext(changes)
            claim = await stores.claimed(build_id)
            await asyncio.wait_for(anext(changes), 5)
            await stores.attempts.append_log(claim, b"text")
            await asyncio.wait_for(anext(changes), 5)
            await stores.attempts.finish(claim, SUCCESS)
            await asyncio.wait_for(anext(changes), 5)
