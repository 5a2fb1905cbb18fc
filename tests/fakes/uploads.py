"""Files that others brought, in memory, on the state of the builds that prove them."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

from packaging.utils import NormalizedName
from tests.fakes.builds import MemoryBuilds
from tests.fakes.prebuilds import MemoryPrebuilds
from tests.fakes.records import MemoryState

from wheelyard.domain.builds.audit_entries import disowning_of, upload_of
from wheelyard.domain.builds.build import Build, BuildOrder, Failure, Status
from wheelyard.domain.builds.records import MAX_PAGE_SIZE
from wheelyard.domain.index.sdists import SCHEME, BroughtSdist
from wheelyard.domain.index.uploads import (
    UPLOAD_SCHEME,
    NewUpload,
    SdistWheels,
    StoredUpload,
    Upload,
    UploadFilter,
    UploadPage,
    UploadState,
    check_unheld,
)
from wheelyard.domain.index.wheels import IndexedWheel, WheelOrigin
from wheelyard.domain.prebuilds.prebuild import ItemStatus, Prebuild
from wheelyard.domain.trace import NO_TRACE, Trace
from wheelyard.errors import NotFoundError, SdistNotBuiltError, UploadConflictError


class MemoryUploads:
    """The UploadStore in memory."""

    def __init__(self, state: MemoryState, builds: MemoryBuilds, prebuilds: MemoryPrebuilds) -> None:
        self._state = state
        self._builds = builds
        self._prebuilds = prebuilds

    async def put_chunk(self, file_id: str, number: int, data: bytes) -> None:
        """Store a part."""
        self._state.brought_parts[file_id][number] = (self._state.clock(), data)

    async def submit(self, upload: NewUpload, order: BuildOrder, *, trace: Trace = NO_TRACE) -> StoredUpload:
        """Store the file with its build, or find the equal file."""
        if (equal := await self._equal(upload)) is not None:
            return equal
        submission = await self._builds.submit(order, requested_by=upload.uploaded_by, trace=trace)
        self._state.record_change(upload_of(upload, build_id=submission.build.id))
        return await self._put(upload, submission.build.id)

    async def submit_sdist(self, upload: NewUpload, sdist: BroughtSdist, request: Prebuild) -> StoredUpload:
        """Store the sdist with its request, or find the equal file."""
        if (equal := await self._equal(upload)) is not None:
            return equal
        for wheel in self._wheels_of_release(upload):
            record = self._state.records.get(wheel.build_id or "")
            if record is not None and record.build.order.sdist.sha256 != sdist.sha256:
                held = record.build.order.sdist.sha256
                why = f"the index has {wheel.filename}, which was built from another source of this release"
                raise UploadConflictError(file=upload.filename, held=held, ours=sdist.sha256, why=why)
        release = (sdist.project, sdist.version)
        former = [one for one in self._state.sdists.values() if (one.project, one.version) == release]
        for one in former:
            standing = await self.standing(one.filename)
            if one.filename != sdist.filename and (standing is None or standing.state is not UploadState.REFUSED):
                why = f"{one.filename} is the sdist of this release"
                raise UploadConflictError(file=upload.filename, held=one.sha256, ours=sdist.sha256, why=why)
        await self._prebuilds.create(request)
        for one in former:
            del self._state.sdists[one.filename]
        self._state.sdists[sdist.filename] = replace(sdist, request_id=request.id)
        self._state.record_change(upload_of(upload, request_id=request.id))
        return await self._put(upload, request.id)

    async def disown(self, project: NormalizedName, *, by: str) -> tuple[str, ...]:
        """Forget a project's sdists."""
        sdists = tuple(one.filename for one in self._state.sdists.values() if one.project == project)
        if not sdists:
            raise NotFoundError(kind="own project", name=project)
        wheels = [entry.wheel for entry in self._state.wheels.values()]
        listed = [one.filename for one in wheels if one.project == project and self._is_of_brought(one)]
        read = [await self._read(number) for number in range(len(self._state.brought))]
        opened = [one.filename for one in read if one.project == project and not one.is_done]
        check_unheld(project, listed=listed, opened=opened)
        for filename in sdists:
            del self._state.sdists[filename]
        self._state.record_change(disowning_of(project, sdists, by))
        return sdists

    def _is_of_brought(self, file: IndexedWheel) -> bool:
        """Return whether the index lists a file that was brought, or made from an sdist that was."""
        record = self._state.records.get(file.build_id or "")
        is_made = record is not None and record.build.order.sdist.url.startswith(f"{SCHEME}:")
        return file.deleted_at is None and (is_made or file.origin is WheelOrigin.BROUGHT)

    async def _equal(self, upload: NewUpload) -> StoredUpload | None:
        """Return the equal file; raise UploadConflictError for another one."""
        self._state.check_token(upload.token_id)
        held = await self.standing(upload.filename)
        if held is not None and (equal := held.answer(upload)) is not None:
            self._state.brought_parts.pop(upload.id, None)
            return StoredUpload(upload=equal, is_new=False)
        entry = self._state.wheels.get(upload.filename)
        if entry is not None and entry.wheel.sha256 != upload.sha256:
            why = "the index has it" if entry.wheel.deleted_at is None else "the index had it before it was deleted"
            raise UploadConflictError(file=upload.filename, held=entry.wheel.sha256, ours=upload.sha256, why=why)
        self._state.limits.check_upload_bytes(upload.size_bytes + await self._open_bytes(upload.uploaded_by))
        return None

    async def _put(self, upload: NewUpload, followed_id: str) -> StoredUpload:
        self._state.brought.append((upload, self._state.clock(), followed_id))
        return StoredUpload(upload=await self._read(len(self._state.brought) - 1), is_new=True)

    async def _open_bytes(self, uploaded_by: str) -> int:
        own = [await self._read(number) for number in range(len(self._state.brought))]
        mine = [one for one in own if one.uploaded_by == uploaded_by]
        return sum(one.size_bytes for one in mine if one.state is UploadState.PENDING)

    async def discard(self, file_id: str) -> None:
        """Delete the parts of a file that is not stored."""
        if all(one.id != file_id for one, *_ in self._state.brought) and self._sent_build(file_id) is None:
            self._state.brought_parts.pop(file_id, None)

    async def find(self, filename: str) -> Upload:
        """Return the file that stands for a name."""
        upload = await self.standing(filename)
        if upload is None:
            raise NotFoundError(kind="file", name=filename)
        return upload

    async def standing(self, filename: str) -> Upload | None:
        """Return the file that stands for a name, if there is one."""
        fitting = [number for number, (one, *_) in enumerate(self._state.brought) if one.filename == filename]
        return await self._read(fitting[-1]) if fitting else None

    async def list_uploads(self, wanted: UploadFilter) -> UploadPage:
        """Return a page, newest first."""
        uploads = [await self._read(number) for number in range(len(self._state.brought))]
        if wanted.before is not None:
            ids = [one.id for one in uploads]
            uploads = uploads[: ids.index(wanted.before)] if wanted.before in ids else []
        fitting = [one for one in reversed(uploads) if _fits(one, wanted)]
        limit = min(wanted.limit, MAX_PAGE_SIZE)
        next_before = fitting[limit - 1].id if len(fitting) > limit else None
        return UploadPage(uploads=tuple(fitting[:limit]), next_before=next_before)

    async def read(self, file_id: str) -> AsyncIterator[bytes]:
        """Yield the parts in order."""
        for _, (_, data) in sorted(self._state.brought_parts.get(file_id, {}).items()):
            yield data

    async def drop_chunks(self, *, days: float) -> int:
        """Delete the parts that nothing needs."""
        useless = [id_ for id_ in self._state.brought_parts if await self._is_useless(id_, days)]
        return sum(len(self._state.brought_parts.pop(id_)) for id_ in useless)

    async def _is_useless(self, file_id: str, days: float) -> bool:
        numbers = [number for number, (one, *_) in enumerate(self._state.brought) if one.id == file_id]
        now = self._state.clock()
        sent = self._sent_build(file_id)
        if sent is not None:
            ended = sent.finished_at
            old = bool(days) and ended is not None and ended < now - timedelta(days=days)
            return sent.status is Status.SUCCEEDED or (sent.status.is_final and old)
        if not numbers:
            oldest = min(at for at, _ in self._state.brought_parts[file_id].values())
            return oldest < now - timedelta(days=1)
        upload = await self._read(numbers[0])
        if upload.state is UploadState.PENDING:
            return False
        newer = any(one.filename == upload.filename for one, *_ in self._state.brought[numbers[0] + 1 :])
        if upload.sdist is not None and upload.sdist.is_listed is None and not newer:
            ended = (await self._prebuilds.get(upload.sdist.request_id)).finished_at
        elif upload.status is Status.SUCCEEDED or newer or upload.build_id is None or upload.sdist is not None:
            return True
        else:
            ended = self._state.find(upload.build_id).build.finished_at
        return bool(days) and ended is not None and ended < now - timedelta(days=days)

    def _sent_build(self, file_id: str) -> Build | None:
        """Return the build of what a caller sent under this id."""
        builds = (record.build for record in self._state.records.values())
        url = f"{UPLOAD_SCHEME}:{file_id}"
        return next((one for one in builds if one.order.sdist.local and one.order.sdist.url == url), None)

    def _wheels_of_release(self, upload: NewUpload) -> list[IndexedWheel]:
        wheels = [entry.wheel for entry in self._state.wheels.values()]
        release = (upload.project, upload.version)
        return [one for one in wheels if (one.project, one.version) == release and one.is_wheel and not one.deleted_at]

    def _made_of(self, upload: NewUpload) -> tuple[str, ...]:
        built = {id_ for id_, one in self._state.records.items() if one.build.order.sdist.sha256 == upload.sha256}
        wheels = self._wheels_of_release(upload)
        return tuple(one.filename for one in wheels if one.origin is WheelOrigin.BROUGHT or one.build_id in built)

    async def _read_sdist(self, upload: Upload, new: NewUpload, request_id: str) -> Upload:
        request = await self._prebuilds.get(request_id)
        builds = [one.build for one in self._state.records.values() if one.build.order.sdist.sha256 == new.sha256]
        entry = self._state.wheels.get(new.filename)
        sdist = SdistWheels(
            request_id=request_id,
            is_open=request.finished_at is None or any(not one.status.is_final for one in builds),
            open_targets=request.open_items,
            wheels=self._made_of(new),
            is_listed=entry.wheel.deleted_at is None if entry and entry.wheel.sha256 == new.sha256 else None,
        )
        read = replace(upload, sdist=sdist)
        if read.state is not UploadState.REFUSED:
            return read
        started = {one.build_id for one in request.started}
        failed = next((one for one in builds if one.id in started and one.failure is not None), None)
        if failed is not None:
            return replace(read, build_id=failed.id, failure=failed.failure)
        ended = next((one for one in request.items if one.status in {ItemStatus.FAILED, ItemStatus.IMPOSSIBLE}), None)
        if ended is None:
            return read
        error = SdistNotBuiltError(file=new.filename, reason=ended.reason, remedy=ended.hint)
        return replace(read, failure=Failure.of(error, stage=None))

    async def _read(self, number: int) -> Upload:
        new, at, followed_id = self._state.brought[number]
        record = self._state.records.get(followed_id)
        upload = Upload(
            id=new.id,
            filename=new.filename,
            project=new.project,
            version=new.version,
            sha256=new.sha256,
            size_bytes=new.size_bytes,
            uploaded_by=new.uploaded_by,
            uploaded_at=at,
            build_id=None,
            status=None,
            attestations=new.attestations,
        )
        if not new.filename.endswith(".whl"):
            return await self._read_sdist(upload, new, followed_id)
        return upload if record is None else upload.with_build(record.build)


def _fits(upload: Upload, wanted: UploadFilter) -> bool:
    by = wanted.uploaded_by
    is_by = by is None or upload.uploaded_by == by or upload.uploaded_by.startswith(f"{by} (")
    return is_by and wanted.project in {None, upload.project}
