"""What every LogStore and TokenStore must keep."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from tests.contract.stores import NOWHERE, SUCCESS, Stores

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


class TokenContract:
    async def test_live_token_is_found_and_its_use_noted(self, stores: Stores) -> None:
        later = datetime.now(UTC) + timedelta(hours=1)
        token = await stores.tokens.create(name="ci", secret_digest="d1", expires_at=later)
        assert (token.name, token.expires_at, token.last_used_at) == ("ci", later, None)
        found = await stores.tokens.find("d1")
        assert found is not None
        assert (found.id, found.last_used_at is None) == (token.id, False)
        assert await stores.tokens.list_tokens() == (found,)

    async def test_unknown_token_is_not_found(self, stores: Stores) -> None:
        await stores.tokens.create(name="ci", secret_digest="d1", expires_at=None)
        assert await stores.tokens.find("d2") is None

    async def test_expired_token_is_not_found_and_stays_unused(self, stores: Stores) -> None:
        earlier = datetime.now(UTC) - timedelta(hours=1)
        token = await stores.tokens.create(name="old", secret_digest="d1", expires_at=earlier)
        assert await stores.tokens.find("d1") is None
        assert await stores.tokens.list_tokens() == (token,)

    async def test_revoked_token_is_not_found_and_still_listed(self, stores: Stores) -> None:
        token = await stores.tokens.create(name="ci", secret_digest="d1", expires_at=None)
        revoked = await stores.tokens.revoke(token.id)
        assert revoked.revoked_at is not None
        assert await stores.tokens.find("d1") is None
        assert await stores.tokens.revoke(token.id) == revoked
        assert await stores.tokens.list_tokens() == (revoked,)

    async def test_tokens_are_listed_newest_first(self, stores: Stores) -> None:
        for name in ("a", "b", "c"):
            await stores.tokens.create(name=name, secret_digest=name, expires_at=None)
        assert [token.name for token in await stores.tokens.list_tokens()] == ["c", "b", "a"]

    async def test_unknown_token_cannot_be_revoked(self, stores: Stores) -> None:
        for token_id in (NOWHERE, "no-id-at-all"):
            with pytest.raises(NotFoundError):
                await stores.tokens.revoke(token_id)
