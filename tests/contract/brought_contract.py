"""What every UploadStore must keep: whose a name is, and how long bytes stay."""

import asyncio
import uuid
from dataclasses import replace

import pytest
from tests.contract.samples import sample_order, sample_wheel
from tests.contract.stores import FAILURE, NOWHERE, Stores

from wheelyard.domain.access import Action, AuditFilter, OpenLimits, Scope
from wheelyard.domain.builds.build import BuildOrder, SdistSource, SourceKind, Status
from wheelyard.domain.builds.local_source import LocalKind, LocalOrigin
from wheelyard.domain.builds.records import BuildFilter, Outcome
from wheelyard.domain.index.uploads import UPLOAD_SCHEME, NewUpload, StoredUpload, UploadFilter, UploadState
from wheelyard.errors import NotFoundError, TooMuchOpenError, UnauthenticatedError, UploadConflictError

NAME = "demo-1.0-py3-none-any.whl"
OTHERS = "cd" * 32
PUBLISHED = Outcome(
    status=Status.SUCCEEDED, wheel=replace(sample_wheel(), filename=NAME, url="https://index/demo", changes=("said",))
)
DELETED = Outcome(status=Status.SUCCEEDED, wheel=replace(sample_wheel(), filename=NAME, url=None))


def brought(filename: str = NAME, sha256: str = "ab" * 32, *, by: str = "ci (0e3c2b1a)") -> NewUpload:
    return NewUpload(
        id=str(uuid.uuid4()),
        filename=filename,
        project="demo",
        version="1.0",
        sha256=sha256,
        size_bytes=5,
        uploaded_by=by,
        attestations=({"version": 1, "envelope": {"signature": "MEUC"}},),
    )


def order_of(upload: NewUpload) -> BuildOrder:
    order = sample_order()
    sdist = replace(order.sdist, kind=SourceKind.WHEEL, url=upload.url, sha256=upload.sha256, filename=upload.filename)
    return replace(order, key=f"{upload.sha256}", sdist=sdist)


async def submit(stores: Stores, upload: NewUpload) -> StoredUpload:
    await stores.uploads.put_chunk(upload.id, 0, b"abc")
    await stores.uploads.put_chunk(upload.id, 1, b"de")
    return await stores.uploads.submit(upload, order_of(upload))


async def end(stores: Stores, stored: StoredUpload, outcome: Outcome) -> None:
    assert stored.upload.build_id is not None
    assert await stores.attempts.finish(await stores.claimed(stored.upload.build_id), outcome)


async def send(stores: Stores) -> tuple[str, str]:
    """Store what a caller sent with its build; return the ids of both."""
    file_id, order = str(uuid.uuid4()), sample_order()
    for number, part in enumerate((b"abc", b"de")):
        await stores.uploads.put_chunk(file_id, number, part)
    origin = LocalOrigin(
        kind=LocalKind.FOLDER, name="billing", sha256="ab" * 32, size_bytes=5, sent_by="ci (0e3c2b1a)", tag="v1"
    )
    url = f"{UPLOAD_SCHEME}:{file_id}"
    sdist = SdistSource(filename="", url=url, sha256="", size_bytes=None, kind=SourceKind.LOCAL, local=origin)
    submission = await stores.builds.submit(replace(order, key="sent", sdist=sdist), requested_by="ci (0e3c2b1a)")
    return file_id, submission.build.id


async def bytes_of(stores: Stores, file_id: str) -> bytes:
    return b"".join([part async for part in stores.uploads.read(file_id)])


class BroughtContract:
    async def test_file_is_stored_with_its_build_and_who_brought_it(self, stores: Stores) -> None:
        upload = brought()
        stored = await submit(stores, upload)
        assert stored.is_new
        found = await stores.uploads.find(NAME)
        assert found == stored.upload
        assert (found.id, found.sha256, found.uploaded_by) == (upload.id, upload.sha256, upload.uploaded_by)
        assert (found.attestations, found.state) == (upload.attestations, UploadState.PENDING)
        assert found.build_id is not None
        build = await stores.builds.get(found.build_id)
        assert (build.order.sdist.url, build.status) == (upload.url, Status.QUEUED)
        assert await bytes_of(stores, upload.id) == b"abcde"
        entries = await stores.audit.list_entries(AuditFilter(object=NAME))
        assert [(one.change.action, one.change.actor) for one in entries] == [
            (Action.FILE_UPLOADED, upload.uploaded_by)
        ]

    async def test_same_bytes_again_are_the_same_file_and_one_build(self, stores: Stores) -> None:
        first, again = await submit(stores, brought()), await submit(stores, brought(by="other (1e3c2b1a)"))
        assert (first.is_new, again.is_new) == (True, False)
        assert again.upload == first.upload
        assert len((await stores.builds.list_builds(BuildFilter())).builds) == 1
        await end(stores, first, PUBLISHED)
        later = await submit(stores, brought())
        assert (later.is_new, later.upload.state) == (False, UploadState.PUBLISHED)
        assert later.upload.wheel is not None
        assert later.upload.wheel.changes == ("said",)

    async def test_bytes_of_a_file_that_was_there_already_are_not_kept(self, stores: Stores) -> None:
        await submit(stores, brought())
        again = brought()
        await submit(stores, again)
        assert await bytes_of(stores, again.id) == b""

    async def test_same_bytes_at_once_both_succeed_with_one_build(self, stores: Stores) -> None:
        stored = await asyncio.gather(*(submit(stores, brought(by=f"ci{one} (0)")) for one in range(4)))
        assert sorted(one.is_new for one in stored) == [False, False, False, True]
        assert len({one.upload.id for one in stored}) == 1
        assert len((await stores.builds.list_builds(BuildFilter())).builds) == 1

    async def test_of_other_bytes_at_once_one_wins_and_the_others_leave_nothing(self, stores: Stores) -> None:
        uploads = [brought(sha256=f"{one}b" * 32) for one in range(4)]
        done = await asyncio.gather(*(submit(stores, one) for one in uploads), return_exceptions=True)
        won = [one for one in done if isinstance(one, StoredUpload)]
        assert len(won) == 1
        assert sum(isinstance(one, UploadConflictError) for one in done) == 3
        assert len((await stores.builds.list_builds(BuildFilter())).builds) == 1
        assert (await stores.uploads.find(NAME)).id == won[0].upload.id

    @pytest.mark.parametrize("outcome", [None, PUBLISHED, DELETED], ids=["pending", "published", "deleted"])
    async def test_other_bytes_under_a_name_that_is_taken_are_a_conflict(
        self, stores: Stores, outcome: Outcome | None
    ) -> None:
        stored = await submit(stores, brought())
        if outcome is not None:
            await end(stores, stored, outcome)
        with pytest.raises(UploadConflictError):
            await submit(stores, brought(sha256=OTHERS))

    async def test_name_of_a_refused_file_is_free(self, stores: Stores) -> None:
        refused = await submit(stores, brought())
        await end(stores, refused, FAILURE)
        assert (await stores.uploads.find(NAME)).state is UploadState.REFUSED
        fixed = await submit(stores, brought(sha256=OTHERS))
        assert (fixed.is_new, fixed.upload.sha256) == (True, OTHERS)
        states = [one.state for one in (await stores.uploads.list_uploads(UploadFilter())).uploads]
        assert states == [UploadState.PENDING, UploadState.REFUSED]

    async def test_same_bytes_after_a_refusal_are_tested_again(self, stores: Stores) -> None:
        refused = await submit(stores, brought())
        await end(stores, refused, FAILURE)
        again = await submit(stores, brought())
        assert again.is_new
        assert again.upload.build_id != refused.upload.build_id

    async def test_file_that_an_operator_deleted_does_not_come_back(self, stores: Stores) -> None:
        await end(stores, await submit(stores, brought()), DELETED)
        assert (await stores.uploads.find(NAME)).state is UploadState.DELETED
        with pytest.raises(UploadConflictError, match="deleted"):
            await submit(stores, brought())

    async def test_limit_of_queued_builds_counts_uploads(self, stores: Stores) -> None:
        stores.limit(OpenLimits(builds=1))
        await submit(stores, brought())
        with pytest.raises(TooMuchOpenError):
            await submit(stores, brought("demo-1.1-py3-none-any.whl", OTHERS))
        with pytest.raises(NotFoundError):
            await stores.uploads.find("demo-1.1-py3-none-any.whl")

    async def test_limit_of_bytes_counts_uploads_of_the_same_token_until_their_end(self, stores: Stores) -> None:
        stores.limit(OpenLimits(upload_bytes=9))
        first = await submit(stores, brought())
        other = "demo-1.1-py3-none-any.whl"
        with pytest.raises(TooMuchOpenError, match="at most 9 bytes of uploads in their test"):
            await submit(stores, brought(other, OTHERS))
        with pytest.raises(NotFoundError):
            await stores.uploads.find(other)
        assert len((await stores.builds.list_builds(BuildFilter())).builds) == 1
        assert (await submit(stores, brought("demo-1.2-py3-none-any.whl", "ef" * 32, by="other (1)"))).is_new
        await end(stores, first, PUBLISHED)
        assert (await submit(stores, brought(other, OTHERS))).is_new

    async def test_file_whose_token_was_revoked_while_it_was_sent_is_not_stored(self, stores: Stores) -> None:
        token = await stores.tokens.create(
            name="ci", scope=Scope.PUBLISH, publishes=("demo",), secret_digest="d", expires_at=None, created_by="tests"
        )
        upload = replace(brought(), token_id=token.id)
        assert (await submit(stores, upload)).is_new
        await stores.tokens.revoke(token.id, revoked_by="tests")
        later = replace(brought("demo-1.1-py3-none-any.whl", OTHERS), token_id=token.id)
        with pytest.raises(UnauthenticatedError, match="revoked"):
            await submit(stores, later)
        with pytest.raises(NotFoundError):
            await stores.uploads.find(later.filename)
        assert (await stores.uploads.find(NAME)).id == upload.id

    async def test_source_whose_token_was_revoked_while_it_was_sent_is_not_built(self, stores: Stores) -> None:
        token = await stores.tokens.create(
            name="ci", scope=Scope.PUBLISH, publishes=("demo",), secret_digest="d", expires_at=None, created_by="tests"
        )
        await stores.tokens.revoke(token.id, revoked_by="tests")
        with pytest.raises(UnauthenticatedError, match="revoked"):
            await stores.builds.submit(sample_order(), requested_by="ci", token_id=token.id)
        assert (await stores.builds.list_builds(BuildFilter())).builds == ()

    async def test_list_is_filtered_and_paged(self, stores: Stores) -> None:
        names = [f"demo-1.{number}-py3-none-any.whl" for number in range(3)]
        for number, name in enumerate(names):
            await submit(stores, brought(name, f"{number}a" * 32, by="ci (0e3c2b1a)" if number else "me (1)"))
        page = await stores.uploads.list_uploads(UploadFilter(limit=2))
        assert [one.filename for one in page.uploads] == names[:0:-1]
        rest = await stores.uploads.list_uploads(UploadFilter(before=page.next_before))
        assert ([one.filename for one in rest.uploads], rest.next_before) == (names[:1], None)
        mine = await stores.uploads.list_uploads(UploadFilter(uploaded_by="me", project="demo"))
        assert [one.filename for one in mine.uploads] == names[:1]
        assert (await stores.uploads.list_uploads(UploadFilter(project="other"))).uploads == ()
        assert (await stores.uploads.list_uploads(UploadFilter(before=NOWHERE))).uploads == ()

    async def test_bytes_are_kept_until_the_file_is_published(self, stores: Stores) -> None:
        upload = brought()
        stored = await submit(stores, upload)
        await stores.pass_time(100 * 86_400.0)
        assert await stores.uploads.drop_chunks(days=1) == 0
        await end(stores, stored, PUBLISHED)
        assert await stores.uploads.drop_chunks(days=1) == 2
        assert await bytes_of(stores, upload.id) == b""

    async def test_bytes_of_a_refused_file_are_kept_for_a_retry_for_some_days(self, stores: Stores) -> None:
        upload = brought()
        await end(stores, await submit(stores, upload), FAILURE)
        assert await stores.uploads.drop_chunks(days=1) == 0
        await stores.pass_time(2 * 86_400.0)
        assert await stores.uploads.drop_chunks(days=0) == 0
        assert await stores.uploads.drop_chunks(days=1) == 2
        assert (await stores.uploads.find(NAME)).state is UploadState.REFUSED

    async def test_bytes_of_a_replaced_file_are_not_kept(self, stores: Stores) -> None:
        upload = brought()
        await end(stores, await submit(stores, upload), FAILURE)
        await submit(stores, brought(sha256=OTHERS))
        assert await stores.uploads.drop_chunks(days=0) == 2
        assert await bytes_of(stores, upload.id) == b""

    async def test_bytes_of_an_upload_that_broke_off_are_deleted_after_a_day(self, stores: Stores) -> None:
        await stores.uploads.put_chunk(file_id := str(uuid.uuid4()), 0, b"abc")
        assert await stores.uploads.drop_chunks(days=1) == 0
        await stores.pass_time(2 * 86_400.0)
        assert await stores.uploads.drop_chunks(days=1) == 1
        assert await bytes_of(stores, file_id) == b""

    async def test_only_bytes_without_a_file_are_discarded(self, stores: Stores) -> None:
        stored = await submit(stores, brought())
        await stores.uploads.put_chunk(file_id := str(uuid.uuid4()), 0, b"abc")
        for one in (file_id, stored.upload.id):
            await stores.uploads.discard(one)
        assert await bytes_of(stores, file_id) == b""
        assert await bytes_of(stores, stored.upload.id) == b"abcde"

    async def test_what_was_sent_to_be_built_is_kept_until_its_build_has_a_wheel(self, stores: Stores) -> None:
        file_id, build_id = await send(stores)
        await stores.uploads.discard(file_id)
        await stores.pass_time(100 * 86_400.0)
        assert await stores.uploads.drop_chunks(days=1) == 0
        assert await bytes_of(stores, file_id) == b"abcde"
        assert await stores.attempts.finish(await stores.claimed(build_id), PUBLISHED)
        assert await stores.uploads.drop_chunks(days=0) == 2
        assert await bytes_of(stores, file_id) == b""

    async def test_what_was_sent_is_kept_for_a_retry_of_its_failed_build_for_some_days(self, stores: Stores) -> None:
        file_id, build_id = await send(stores)
        assert await stores.attempts.finish(await stores.claimed(build_id), FAILURE)
        assert await stores.uploads.drop_chunks(days=1) == 0
        await stores.pass_time(2 * 86_400.0)
        assert await stores.uploads.drop_chunks(days=0) == 0
        assert await bytes_of(stores, file_id) == b"abcde"
        assert await stores.uploads.drop_chunks(days=1) == 2

    async def test_origin_of_what_was_sent_and_its_sdist_come_back_with_the_build(self, stores: Stores) -> None:
        _, build_id = await send(stores)
        claim = await stores.claimed(build_id)
        sdist, sent = claim.order.sdist, claim.order.sdist.local
        assert sent is not None
        made = replace(sdist, filename="demo-1.0.tar.gz", sha256="cd" * 32, local=replace(sent, version="1.0"))
        outcome = replace(PUBLISHED, order=replace(claim.order, version="1.0.dev0+labababababab", sdist=made))
        assert await stores.attempts.finish(claim, outcome)
        build = await stores.builds.get(build_id)
        assert build.order.sdist == made
        assert build.order.version == "1.0.dev0+labababababab"

    async def test_file_of_a_build_that_is_no_longer_stored_counts_as_refused(self, stores: Stores) -> None:
        await end(stores, await submit(stores, brought()), FAILURE)
        await stores.pass_time(2 * 86_400.0)
        assert await stores.periodic.drop_builds(days=1) == 1
        found = await stores.uploads.find(NAME)
        assert (found.state, found.build_id) == (UploadState.REFUSED, None)
