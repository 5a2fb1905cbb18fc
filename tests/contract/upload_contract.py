"""What every WheelStore must keep about uploads: whose upload a file is, and when it becomes an orphan."""

from tests.contract.stores import FAILURE, LEASE_SECONDS, Stores

FILE, DIGEST = "demo-1.0-1.bookworm-py3-none-any.whl", "ab" * 32


class UploadContract:
    async def test_upload_is_no_orphan_while_its_attempt_goes_on(self, stores: Stores) -> None:
        claim = await stores.claimed(await stores.queued())
        for _ in range(2):
            assert await stores.wheels.begin_upload(claim, filename=FILE, sha256=DIGEST)
        assert not await stores.wheels.is_orphan(FILE, sha256=DIGEST)

    async def test_upload_of_an_attempt_that_ended_is_an_orphan(self, stores: Stores) -> None:
        claim = await stores.claimed(await stores.queued())
        assert await stores.wheels.begin_upload(claim, filename=FILE, sha256=DIGEST)
        assert await stores.attempts.finish(claim, FAILURE)
        assert await stores.wheels.is_orphan(FILE, sha256=DIGEST)
        assert not await stores.wheels.is_orphan(FILE, sha256="cd" * 32)
        assert not await stores.wheels.is_orphan(f"another-{FILE}", sha256=DIGEST)

    async def test_upload_of_an_attempt_that_was_lost_is_an_orphan_of_the_next(self, stores: Stores) -> None:
        build_id = await stores.queued()
        lost = await stores.claimed(build_id)
        assert await stores.wheels.begin_upload(lost, filename=FILE, sha256=DIGEST)
        await stores.expire_leases()
        heir = await stores.attempts.claim(build_id, worker="worker-2", lease_seconds=LEASE_SECONDS)
        assert heir is not None
        assert await stores.wheels.is_orphan(FILE, sha256=DIGEST)
        assert not await stores.wheels.begin_upload(lost, filename=FILE, sha256=DIGEST)
        assert await stores.wheels.begin_upload(heir, filename=FILE, sha256=DIGEST)
        assert not await stores.wheels.is_orphan(FILE, sha256=DIGEST)

    async def test_file_that_nobody_began_to_upload_is_no_orphan(self, stores: Stores) -> None:
        assert not await stores.wheels.is_orphan(FILE, sha256=DIGEST)
