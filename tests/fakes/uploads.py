"""Files that others brought, in memory, on the state of the builds that prove them."""

from collections.abc import AsyncIterator
from datetime import timedelta

from tests.fakes.builds import MemoryBuilds
from tests.fakes.records import MemoryState

from wheelyard.domain.builds.audit_entries import upload_of
from wheelyard.domain.builds.build import BuildOrder, Status
from wheelyard.domain.builds.records import MAX_PAGE_SIZE
from wheelyard.domain.index.uploads import NewUpload, StoredUpload, Upload, UploadFilter, UploadPage, UploadState
from wheelyard.domain.trace import NO_TRACE, Trace
from wheelyard.errors import NotFoundError, UnauthenticatedError, UploadConflictError


class MemoryUploads:
    """The UploadStore in memory."""

    def __init__(self, state: MemoryState, builds: MemoryBuilds) -> None:
        self._state = state
        self._builds = builds

    async def put_chunk(self, file_id: str, number: int, data: bytes) -> None:
        """Store a part."""
        self._state.brought_parts[file_id][number] = (self._state.clock(), data)

    async def submit(self, upload: NewUpload, order: BuildOrder, *, trace: Trace = NO_TRACE) -> StoredUpload:
        """Store the file with its build, or find the equal file."""
        self._check_token(upload)
        held = await self.standing(upload.filename)
        if held is not None and (equal := held.answer(upload)) is not None:
            self._state.brought_parts.pop(upload.id, None)
            return StoredUpload(upload=equal, is_new=False)
        entry = self._state.wheels.get(upload.filename)
        if entry is not None and entry.wheel.sha256 != upload.sha256:
            why = "the index has it" if entry.wheel.deleted_at is None else "the index had it before it was deleted"
            raise UploadConflictError(file=upload.filename, held=entry.wheel.sha256, ours=upload.sha256, why=why)
        self._state.limits.check_upload_bytes(upload.size_bytes + self._open_bytes(upload.uploaded_by))
        submission = await self._builds.submit(order, requested_by=upload.uploaded_by, trace=trace)
        self._state.brought.append((upload, self._state.clock(), submission.build.id))
        self._state.record_change(upload_of(upload, submission.build.id))
        return StoredUpload(upload=self._read(len(self._state.brought) - 1), is_new=True)

    def _check_token(self, upload: NewUpload) -> None:
        _, token = self._state.tokens.get(upload.token_id or "", ("", None))
        if upload.token_id is not None and (token is None or not token.is_live(self._state.clock())):
            raise UnauthenticatedError(reason="its token was revoked, or expired, while the file was sent")

    def _open_bytes(self, uploaded_by: str) -> int:
        own = [one for number, (one, *_) in enumerate(self._state.brought) if self._is_open(number)]
        return sum(one.size_bytes for one in own if one.uploaded_by == uploaded_by)

    def _is_open(self, number: int) -> bool:
        return self._read(number).status in {Status.QUEUED, Status.RUNNING}

    async def discard(self, file_id: str) -> None:
        """Delete the parts of a file that is not stored."""
        if all(one.id != file_id for one, *_ in self._state.brought):
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
        return self._read(fitting[-1]) if fitting else None

    async def list_uploads(self, wanted: UploadFilter) -> UploadPage:
        """Return a page, newest first."""
        uploads = [self._read(number) for number in range(len(self._state.brought))]
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
        useless = [id_ for id_ in self._state.brought_parts if self._is_useless(id_, days)]
        return sum(len(self._state.brought_parts.pop(id_)) for id_ in useless)

    def _is_useless(self, file_id: str, days: float) -> bool:
        numbers = [number for number, (one, *_) in enumerate(self._state.brought) if one.id == file_id]
        now = self._state.clock()
        if not numbers:
            oldest = min(at for at, _ in self._state.brought_parts[file_id].values())
            return oldest < now - timedelta(days=1)
        upload = self._read(numbers[0])
        if upload.state is UploadState.PENDING:
            return False
        newer = any(one.filename == upload.filename for one, *_ in self._state.brought[numbers[0] + 1 :])
        if upload.status is Status.SUCCEEDED or newer or upload.build_id is None:
            return True
        ended = self._state.find(upload.build_id).build.finished_at
        return bool(days) and ended is not None and ended < now - timedelta(days=days)

    def _read(self, number: int) -> Upload:
        new, at, build_id = self._state.brought[number]
        record = self._state.records.get(build_id)
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
        return upload if record is None else upload.with_build(record.build)


def _fits(upload: Upload, wanted: UploadFilter) -> bool:
    by = wanted.uploaded_by
    is_by = by is None or upload.uploaded_by == by or upload.uploaded_by.startswith(f"{by} (")
    return is_by and wanted.project in {None, upload.project}
