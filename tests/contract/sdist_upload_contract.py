"""What every UploadStore must keep about sdists: how they become wheels, whose a release is, how long bytes stay."""

import asyncio
import uuid
from dataclasses import replace

import pytest
from packaging.utils import canonicalize_name
from tests.contract.brought_contract import NAME, PUBLISHED, brought, bytes_of, order_of
from tests.contract.samples import BEGINNING, TARGET, sample_order, sample_wheel
from tests.contract.stores import FAILURE, Stores

from wheelyard.domain.access import Action, AuditFilter, OpenLimits
from wheelyard.domain.builds.build import BuildOrder, Status
from wheelyard.domain.builds.records import Outcome
from wheelyard.domain.index.index import Level, PublishedFile
from wheelyard.domain.index.sdists import BroughtSdist
from wheelyard.domain.index.uploads import NewUpload, StoredUpload, UploadFilter, UploadState
from wheelyard.domain.index.wheels import IndexEntry
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.prebuilds.prebuild import ItemStatus, Prebuild, Prefer, Started
from wheelyard.domain.prebuilds.sdists import items_of
from wheelyard.errors import NotFoundError, OwnershipHeldError, TooMuchOpenError, UploadConflictError

SDIST = "demo-1.0.tar.gz"
DEMO = canonicalize_name("demo")
WHEEL = "demo-1.0-1.bookworm-cp313-cp313-manylinux_2_36_x86_64.whl"
METADATA = b"Metadata-Version: 2.4\nName: demo\nVersion: 1.0\n"
OTHERS = "cd" * 32
OTHER_TARGET = Target.parse(python="3.12", platform=TARGET.platform)
DAY = 86_400.0


def sdist_of(upload: NewUpload) -> BroughtSdist:
    return BroughtSdist.of(
        upload.filename,
        sha256=upload.sha256,
        size_bytes=upload.size_bytes,
        metadata=METADATA,
        url=upload.url,
        brought_by=upload.uploaded_by,
        brought_at=BEGINNING,
    )


def request_of(upload: NewUpload) -> Prebuild:
    targets = (TARGET, OTHER_TARGET)
    return Prebuild(
        id=str(uuid.uuid4()),
        requested_by=upload.uploaded_by,
        created_at=BEGINNING,
        finished_at=None,
        cancelled=False,
        targets=targets,
        prefer=Prefer.OWN,
        items=items_of(sdist_of(upload), targets),
        skipped=(),
    )


async def bring(stores: Stores, filename: str = SDIST, sha256: str = "ab" * 32, *, by: str = "ci (0)") -> StoredUpload:
    upload = brought(filename, sha256, by=by)
    await stores.uploads.put_chunk(upload.id, 0, b"abc")
    return await stores.uploads.submit_sdist(upload, sdist_of(upload), request_of(upload))


def order(sha256: str, *, filename: str = SDIST, target: Target = TARGET) -> BuildOrder:
    made = sample_order(key=f"{sha256} {target} {filename}", project="demo")
    sdist = replace(made.sdist, filename=filename, url=f"sdist:{filename}", sha256=sha256)
    return replace(made, version="1.0", sdist=sdist, target=target)


async def build(stores: Stores, stored: StoredUpload, outcome: Outcome | None) -> str:
    """Start a build of an sdist for its request, and end it."""
    assert stored.upload.sdist is not None
    build_order = order(stored.upload.sha256, filename=stored.upload.filename)
    request_id = stored.upload.sdist.request_id
    build_id = (await stores.builds.submit(build_order, requested_by="ci", prebuild_id=request_id)).build.id
    started = Started(
        project=canonicalize_name("demo"), version="1.0", target=TARGET, build_id=build_id, status=Status.QUEUED
    )
    await advance(stores, started=(started,))
    if outcome is not None:
        assert await stores.attempts.finish(await stores.claimed(build_id), outcome)
    return build_id


async def advance(stores: Stores, **changes: object) -> None:
    turn = await stores.prebuilds.claim(lease_seconds=60)
    assert turn is not None
    assert await stores.prebuilds.save(replace(turn, prebuild=replace(turn.prebuild, **changes)))  # type: ignore[arg-type]


async def give_up(stores: Stores, stored: StoredUpload, *, reason: str = "it cannot be built", hint: str = "") -> None:
    """End the request of an sdist without any wheel."""
    assert stored.upload.sdist is not None
    request = await stores.prebuilds.get(stored.upload.sdist.request_id)
    items = tuple(replace(one, status=ItemStatus.IMPOSSIBLE, reason=reason, hint=hint) for one in request.items)
    await advance(stores, items=items, finished_at=BEGINNING)
    await stores.pass_time(0)


def built() -> Outcome:
    wheel = replace(sample_wheel(), filename=WHEEL, url="http://devpi/wheel")
    published = PublishedFile(
        filename=WHEEL,
        url="http://devpi/wheel",
        index_url="http://devpi",
        sha256=wheel.sha256,
        size_bytes=wheel.size_bytes,
        uploaded=True,
        level=Level.PROD,
        metadata=METADATA,
    )
    return Outcome(status=Status.SUCCEEDED, wheel=wheel, published=published)


async def listed(stores: Stores, stored: StoredUpload) -> None:
    upload = brought(stored.upload.filename, stored.upload.sha256)
    file = sdist_of(upload).on_index(level=Level.PROD, url="http://devpi/sdist", metadata_sha256=None, now=BEGINNING)
    await stores.wheels.record(IndexEntry(wheel=file, metadata=None))


async def state_of(stores: Stores, filename: str = SDIST) -> UploadState:
    return (await stores.uploads.find(filename)).state


class SdistUploadContract:
    async def test_sdist_is_stored_with_its_request_and_no_build(self, stores: Stores) -> None:
        stored = await bring(stores)
        found = await stores.uploads.find(SDIST)
        assert (stored.is_new, found) == (True, stored.upload)
        assert (found.state, found.build_id, found.failure) == (UploadState.PENDING, None, None)
        assert found.sdist is not None
        assert (found.sdist.open_targets, found.sdist.wheels, found.sdist.is_listed) == (2, (), None)
        request = await stores.prebuilds.get(found.sdist.request_id)
        assert [(one.project, one.version, one.target) for one in request.items] == [
            ("demo", "1.0", TARGET),
            ("demo", "1.0", OTHER_TARGET),
        ]
        (entry,) = await stores.audit.list_entries(AuditFilter(object=SDIST))
        assert (entry.change.action, entry.change.actor) == (Action.FILE_UPLOADED, "ci (0)")
        assert entry.change.details == {"project": "demo", "sha256": "ab" * 32, "request": request.id}

    async def test_sdist_is_published_with_its_first_wheel_while_others_are_open(self, stores: Stores) -> None:
        stored = await bring(stores)
        await build(stores, stored, built())
        found = await stores.uploads.find(SDIST)
        assert (found.state, found.wheels, found.is_done) == (UploadState.PENDING, (WHEEL,), False)
        await listed(stores, stored)
        found = await stores.uploads.find(SDIST)
        assert (found.state, found.wheels, found.is_done) == (UploadState.PUBLISHED, (WHEEL,), False)
        await advance(stores, finished_at=BEGINNING)
        assert (await stores.uploads.find(SDIST)).is_done
        await stores.wheels.delete(SDIST, by="bob")
        assert await state_of(stores) is UploadState.DELETED

    async def test_wheel_without_the_sdist_yet_is_pending_even_if_the_request_is_over(self, stores: Stores) -> None:
        stored = await bring(stores)
        await build(stores, stored, built())
        await advance(stores, finished_at=BEGINNING)
        assert await state_of(stores) is UploadState.PENDING

    async def test_failure_of_all_targets_refuses_it_with_the_first_builds_reason(self, stores: Stores) -> None:
        stored = await bring(stores)
        build_id = await build(stores, stored, FAILURE)
        assert (await stores.uploads.find(SDIST)).failure is None, "other targets may still succeed"
        await give_up(stores, stored)
        found = await stores.uploads.find(SDIST)
        assert (found.state, found.build_id, found.is_done) == (UploadState.REFUSED, build_id, True)
        assert found.failure == FAILURE.failure

    async def test_refusal_without_a_build_has_the_reason_of_the_request(self, stores: Stores) -> None:
        await give_up(stores, await bring(stores), reason="its recipe says no", hint="Ask the recipe.")
        found = await stores.uploads.find(SDIST)
        assert (found.state, found.build_id) == (UploadState.REFUSED, None)
        assert found.failure is not None
        assert (found.failure.code, found.failure.hint) == ("sdist-not-built", "Ask the recipe.")
        assert "its recipe says no" in found.failure.summary

    async def test_cancelled_request_refuses_it_without_a_failure(self, stores: Stores) -> None:
        stored = await bring(stores)
        assert stored.upload.sdist is not None
        await stores.prebuilds.cancel(stored.upload.sdist.request_id, cancelled_by="bob")
        found = await stores.uploads.find(SDIST)
        assert (found.state, found.failure) == (UploadState.REFUSED, None)

    async def test_retry_of_a_failed_build_makes_it_pending_again(self, stores: Stores) -> None:
        stored = await bring(stores)
        build_id = await build(stores, stored, FAILURE)
        await give_up(stores, stored)
        await stores.builds.retry(build_id, requested_by="bob")
        assert await state_of(stores) is UploadState.PENDING
        with pytest.raises(UploadConflictError):
            await bring(stores, sha256=OTHERS)
        assert await stores.attempts.finish(await stores.claimed(build_id), built())
        await listed(stores, stored)
        assert await state_of(stores) is UploadState.PUBLISHED

    async def test_same_sdist_again_is_the_same_upload_and_one_request(self, stores: Stores) -> None:
        stored = await asyncio.gather(*(bring(stores, by=f"ci{one} (0)") for one in range(4)))
        assert sorted(one.is_new for one in stored) == [False, False, False, True]
        assert len({one.upload.id for one in stored}) == 1
        assert len(await stores.prebuilds.list_prebuilds(limit=9)) == 1
        (new,) = [one for one in stored if one.is_new]
        await build(stores, new, built())
        await listed(stores, new)
        again = await bring(stores)
        assert (again.is_new, again.upload.state) == (False, UploadState.PUBLISHED)

    async def test_of_other_sdists_of_a_release_at_once_one_wins(self, stores: Stores) -> None:
        names = (SDIST, SDIST, "demo-1.0.zip", "Demo-1.0.tar.gz")
        done = await asyncio.gather(
            *(bring(stores, name, f"{number}b" * 32) for number, name in enumerate(names)), return_exceptions=True
        )
        assert len([one for one in done if isinstance(one, StoredUpload)]) == 1
        assert sum(isinstance(one, UploadConflictError) for one in done) == 3
        assert len(await stores.prebuilds.list_prebuilds(limit=9)) == 1

    async def test_release_has_one_sdist_under_any_name(self, stores: Stores) -> None:
        await bring(stores)
        with pytest.raises(UploadConflictError, match=r"demo-1.0.tar.gz is the sdist of this release"):
            await bring(stores, "demo-1.0.zip", OTHERS)
        with pytest.raises(NotFoundError):
            await stores.uploads.find("demo-1.0.zip")

    @pytest.mark.parametrize("filename", [SDIST, "demo-1.0.zip"])
    async def test_refused_sdist_gives_its_release_free(self, stores: Stores, filename: str) -> None:
        await give_up(stores, await bring(stores))
        fixed = await bring(stores, filename, OTHERS)
        assert (fixed.is_new, fixed.upload.state) == (True, UploadState.PENDING)
        await build(stores, fixed, built())
        await listed(stores, fixed)
        assert await state_of(stores, filename) is UploadState.PUBLISHED
        states = [one.state for one in (await stores.uploads.list_uploads(UploadFilter())).uploads]
        assert states == [UploadState.PUBLISHED, UploadState.REFUSED]

    async def test_same_sdist_after_a_refusal_is_built_again_from_its_new_bytes(self, stores: Stores) -> None:
        refused = await bring(stores)
        await give_up(stores, refused)
        again = await bring(stores)
        assert again.is_new
        assert await state_of(stores) is UploadState.PENDING
        assert await stores.uploads.drop_chunks(days=0) == 1
        assert (await bytes_of(stores, refused.upload.id), await bytes_of(stores, again.upload.id)) == (b"", b"abc")

    async def test_deleted_sdist_does_not_come_back(self, stores: Stores) -> None:
        stored = await bring(stores)
        await build(stores, stored, built())
        await listed(stores, stored)
        await stores.wheels.delete(SDIST, by="bob")
        for filename, sha256 in ((SDIST, "ab" * 32), (SDIST, OTHERS), ("demo-1.0.zip", OTHERS)):
            with pytest.raises(UploadConflictError):
                await bring(stores, filename, sha256)

    async def test_release_with_wheels_of_another_source_is_a_conflict(self, stores: Stores) -> None:
        build_id = (await stores.builds.submit(order(OTHERS), requested_by="alice")).build.id
        assert await stores.attempts.finish(await stores.claimed(build_id), built())
        with pytest.raises(UploadConflictError, match="another source"):
            await bring(stores)
        await stores.wheels.delete(WHEEL, by="bob")
        assert (await bring(stores)).is_new

    async def test_limit_of_requests_counts_sdists_and_stores_nothing_beyond_it(self, stores: Stores) -> None:
        stores.limit(OpenLimits(requests=1))
        await bring(stores)
        upload = replace(brought("demo-1.1.tar.gz", OTHERS, by="ci (0)"), version="1.1")
        with pytest.raises(TooMuchOpenError):
            await stores.uploads.submit_sdist(upload, sdist_of(upload), request_of(upload))
        with pytest.raises(NotFoundError):
            await stores.uploads.find("demo-1.1.tar.gz")

    async def test_bytes_are_kept_until_the_index_has_the_sdist(self, stores: Stores) -> None:
        stored = await bring(stores)
        await build(stores, stored, built())
        await advance(stores, finished_at=BEGINNING)
        await stores.pass_time(100 * DAY)
        assert await stores.uploads.drop_chunks(days=1) == 0
        await listed(stores, stored)
        assert await stores.uploads.drop_chunks(days=1) == 1

    async def test_bytes_of_a_refused_sdist_are_kept_for_a_retry_for_some_days(self, stores: Stores) -> None:
        stored = await bring(stores)
        build_id = await build(stores, stored, FAILURE)
        await advance(stores, finished_at=(await stores.builds.get(build_id)).finished_at)
        assert await stores.uploads.drop_chunks(days=1) == 0
        await stores.pass_time(2 * DAY)
        assert await stores.uploads.drop_chunks(days=0) == 0
        await stores.builds.retry(build_id, requested_by="bob")
        assert await stores.uploads.drop_chunks(days=1) == 0, "a build may need them"
        await stores.builds.request_cancel(build_id, requested_by="bob")
        assert await stores.uploads.drop_chunks(days=1) == 1

    async def test_wheel_that_was_brought_beside_it_counts_as_one_of_its_wheels(self, stores: Stores) -> None:
        wheel = brought()
        await stores.uploads.put_chunk(wheel.id, 0, b"abc")
        stored = await stores.uploads.submit(wheel, replace(order_of(wheel), project="demo", version="1.0"))
        assert stored.upload.build_id is not None
        published = replace(built(), wheel=PUBLISHED.wheel)
        assert published.published is not None
        published = replace(published, published=replace(published.published, filename=NAME))
        assert await stores.attempts.finish(await stores.claimed(stored.upload.build_id), published)
        await bring(stores)
        assert (await stores.uploads.find(SDIST)).wheels == (NAME,)

    async def test_refused_sdist_gives_its_projects_name_back_to_upstream(self, stores: Stores) -> None:
        await give_up(stores, await bring(stores))
        assert await stores.uploads.disown(DEMO, by="bob") == (SDIST,)
        (entry,) = await stores.audit.list_entries(AuditFilter(object="demo"))
        assert (entry.change.action, entry.change.actor) == (Action.PROJECT_DISOWNED, "bob")
        assert entry.change.details == {"sdists": SDIST}
        assert await state_of(stores) is UploadState.REFUSED, "its history stays"
        with pytest.raises(NotFoundError):
            await stores.uploads.disown(DEMO, by="bob")

    async def test_name_is_own_again_with_the_next_sdist(self, stores: Stores) -> None:
        await give_up(stores, await bring(stores))
        await stores.uploads.disown(DEMO, by="bob")
        await give_up(stores, await bring(stores))
        assert await stores.uploads.disown(DEMO, by="bob") == (SDIST,)

    async def test_name_is_held_while_anything_of_it_is_open_or_listed(self, stores: Stores) -> None:
        stored = await bring(stores)
        with pytest.raises(OwnershipHeldError, match=f"{SDIST} is being built"):
            await stores.uploads.disown(DEMO, by="bob")
        await build(stores, stored, built())
        await advance(stores, finished_at=BEGINNING)
        with pytest.raises(OwnershipHeldError, match=f"the index lists {WHEEL}"):
            await stores.uploads.disown(DEMO, by="bob")
        await listed(stores, stored)
        await stores.wheels.delete(WHEEL, by="bob")
        with pytest.raises(OwnershipHeldError, match=f"the index lists {SDIST}"):
            await stores.uploads.disown(DEMO, by="bob")
        await stores.wheels.delete(SDIST, by="bob")
        assert await stores.uploads.disown(DEMO, by="bob") == (SDIST,)

    async def test_retry_of_a_build_holds_the_name(self, stores: Stores) -> None:
        stored = await bring(stores)
        build_id = await build(stores, stored, FAILURE)
        await give_up(stores, stored)
        await stores.builds.retry(build_id, requested_by="bob")
        with pytest.raises(OwnershipHeldError):
            await stores.uploads.disown(DEMO, by="bob")

    async def test_wheel_that_was_brought_holds_the_name(self, stores: Stores) -> None:
        await give_up(stores, await bring(stores))
        wheel = brought()
        await stores.uploads.put_chunk(wheel.id, 0, b"abc")
        stored = await stores.uploads.submit(wheel, replace(order_of(wheel), project="demo", version="1.0"))
        with pytest.raises(OwnershipHeldError, match=f"{NAME} is being"):
            await stores.uploads.disown(DEMO, by="bob")
        made = built().published
        assert made is not None
        published = replace(PUBLISHED, published=replace(made, filename=NAME))
        assert stored.upload.build_id is not None
        assert await stores.attempts.finish(await stores.claimed(stored.upload.build_id), published)
        with pytest.raises(OwnershipHeldError, match=f"the index lists {NAME}"):
            await stores.uploads.disown(DEMO, by="bob")

    async def test_wheel_from_upstream_does_not_hold_the_name(self, stores: Stores) -> None:
        build_id = (await stores.builds.submit(from_upstream(), requested_by="alice")).build.id
        assert await stores.attempts.finish(await stores.claimed(build_id), built())
        upload = replace(brought("demo-1.1.tar.gz", OTHERS, by="ci (0)"), version="1.1")
        request = request_of(upload)
        done = replace(request, finished_at=BEGINNING)
        await stores.uploads.submit_sdist(upload, sdist_of(upload), request)
        await advance(stores, finished_at=done.finished_at)
        assert await stores.uploads.disown(DEMO, by="bob") == ("demo-1.1.tar.gz",)

    async def test_an_sdist_that_comes_meanwhile_keeps_the_name_own(self, stores: Stores) -> None:
        await give_up(stores, await bring(stores))
        done = await asyncio.gather(
            stores.uploads.disown(DEMO, by="bob"), bring(stores, sha256=OTHERS), return_exceptions=True
        )
        assert isinstance(done[1], StoredUpload), done
        with pytest.raises(OwnershipHeldError):
            await stores.uploads.disown(DEMO, by="bob")


def from_upstream() -> BuildOrder:
    made = order("ef" * 32)
    return replace(made, sdist=replace(made.sdist, url="https://upstream.invalid/demo-1.0.tar.gz"))
