"""Take a file that somebody brings: check it as data, store it, submit the build that proves it, wait for its end."""

import asyncio
import io
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, cast

from packaging.utils import NormalizedName, canonicalize_name

from wheelyard.build_events import note_uploaded
from wheelyard.domain.builds.build import BuildOrder
from wheelyard.domain.builds.records import Token
from wheelyard.domain.healing.wheel_claims import invalid_wheel
from wheelyard.domain.index.uploads import NewUpload, Upload, UploadState
from wheelyard.domain.trace import NO_TRACE, Trace
from wheelyard.domain.untrusted.file_names import MAX_NAME, read_wheel_name
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.domain.untrusted.versions import find_version
from wheelyard.errors import (
    InvalidWheelError,
    PublishForbiddenError,
    TooMuchOpenError,
    UnauthenticatedError,
    UploadConflictError,
    UploadInvalidError,
    UploadRefusedError,
    UploadUnsupportedError,
)
from wheelyard.interfaces import BuildStore, LogStore, UploadStore
from wheelyard.usecases.request_build import BroughtWheel, PlanBuild
from wheelyard.wheel_files.reader import RefusedWheelError, WheelFile, check_wheel
from wheelyard.wheel_files.received import ReceivedFile

_CHUNK_BYTES: Final = 1 << 20
_SDIST_ENDS: Final = (".tar.gz", ".zip", ".tar.bz2", ".tgz")
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*")
_SHOWN: Final = 120


@dataclass(frozen=True, kw_only=True, slots=True)
class UploadClaims:
    """What a sender says about its file; None for what it does not say."""

    name: str | None = None
    version: str | None = None
    filetype: str | None = None
    pyversion: str | None = None
    digests: Mapping[str, str] = field(default_factory=dict)
    """In hexadecimal, by the names sha256, blake2_256 and md5."""
    attestations: tuple[Mapping[str, object], ...] = ()


class BringFile:
    """The use case behind ``POST /legacy/`` and ``POST /v1/files``."""

    def __init__(  # noqa: PLR0913  (one for each thing that it acts on)
        self,
        *,
        plan: PlanBuild,
        store: UploadStore,
        builds: BuildStore,
        logs: LogStore,
        stopping: asyncio.Event,
        new_id: Callable[[], uuid.UUID] = uuid.uuid4,
    ) -> None:
        """Keep the planner and the stores; no wait goes on once the service is stopping."""
        self._plan = plan
        self._store = store
        self._builds = builds
        self._logs = logs
        self._stopping = stopping
        self._new_id = new_id

    def check_name(self, filename: str, *, by: Token) -> NormalizedName:
        """Return the project of a file's name, before its bytes are read.

        Raises:
            UploadUnsupportedError: it is no wheel.
            InvalidWheelError: its name is not that of a wheel.
            PublishForbiddenError: the token may not upload files of the project.
        """
        if len(filename) > MAX_NAME or _PLAIN_NAME.fullmatch(filename) is None:
            raise UploadInvalidError(problems=[f"{filename[:_SHOWN]!r} is not a plain file name"])
        if not filename.endswith(".whl"):
            kind = "an sdist" if filename.endswith(_SDIST_ENDS) else "of an unknown kind"
            raise UploadUnsupportedError(file=filename, kind=kind)
        try:
            project = read_wheel_name(filename).project
        except RefusedTextError as error:
            raise InvalidWheelError(file=filename, reason=str(error)) from error
        if not by.may_publish(project):
            raise PublishForbiddenError(project=project, publishes=by.publishes)
        return project

    async def __call__(
        self, file: ReceivedFile, filename: str, claims: UploadClaims, *, by: Token, trace: Trace = NO_TRACE
    ) -> Upload:
        """Check a file, store it and submit its build; return the upload that stands for it.

        Once this returns, nothing is lost: the file is stored with its build. The same bytes again return the former
        upload. Raises as ``check_name``, and:

        Raises:
            UploadInvalidError: what is claimed is not true of the file.
            InvalidWheelError: its parts do not agree.
            NoTargetFitsError: its tags fit nothing that it could be tested on.
            UploadConflictError: other bytes have its name.
            TooMuchOpenError: the token has too many builds or bytes that wait.
            UnauthenticatedError: the token was revoked, or expired, while the file was sent.
        """
        project = self.check_name(filename, by=by)
        if problems := list(_false_digests(file, claims)):
            raise UploadInvalidError(problems=problems)
        wheel = await asyncio.to_thread(_read, file, filename)
        if problems := list(_false_claims(wheel, claims)):
            raise UploadInvalidError(problems=problems)
        upload = NewUpload(
            id=str(self._new_id()),
            filename=filename,
            project=project,
            version=str(wheel.version),
            sha256=wheel.sha256,
            size_bytes=wheel.size_bytes,
            uploaded_by=by.actor,
            token_id=by.id,
            attestations=claims.attestations,
        )
        order = self._order(upload, wheel)
        if (former := await self._former(upload)) is not None:
            return former
        await self._save(file, upload)
        try:
            stored = await self._store.submit(upload, order, trace=trace)
        except (UploadConflictError, TooMuchOpenError, UnauthenticatedError):
            # Only for these is it certain that nothing was stored. After a lost connection the file may stand.
            await self._store.discard(upload.id)
            raise
        if stored.is_new:
            note_uploaded(stored.upload)
        return stored.upload

    def _order(self, upload: NewUpload, wheel: WheelFile) -> BuildOrder:
        brought = BroughtWheel(
            filename=upload.filename,
            url=upload.url,
            sha256=upload.sha256,
            size_bytes=upload.size_bytes,
            requires_python=wheel.core.get("requires_python"),
        )
        return self._plan.bring(brought)

    async def _former(self, upload: NewUpload) -> Upload | None:
        """Return the upload of the same bytes, if there is one. This saves storing them; ``submit`` decides."""
        held = await self._store.standing(upload.filename)
        return None if held is None else held.answer(upload)

    async def _save(self, file: ReceivedFile, upload: NewUpload) -> None:
        for number, offset in enumerate(range(0, upload.size_bytes, _CHUNK_BYTES)):
            part = await asyncio.to_thread(file.read_part, offset, _CHUNK_BYTES)
            await self._store.put_chunk(upload.id, number, part)

    async def wait(self, upload: Upload, *, seconds: float) -> Upload:
        """Return the upload as it stands once its build has ended, or after some seconds; raise UploadRefusedError."""
        if not upload.state.is_final and upload.build_id is not None and seconds > 0:
            upload = await self._until_final(upload, upload.build_id, seconds)
        if upload.state is UploadState.REFUSED:
            raise refusal_of(upload)
        return upload

    async def _until_final(self, upload: Upload, build_id: str, seconds: float) -> Upload:
        """Look at the build at each of its changes, until it ends, the time is over, or the service stops."""
        stopping = asyncio.ensure_future(self._stopping.wait())
        watching = asyncio.ensure_future(self._watch(upload, build_id))
        try:
            await asyncio.wait({stopping, watching}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                return watching.result()
        finally:
            for task in (stopping, watching):
                task.cancel()
            await asyncio.gather(stopping, watching, return_exceptions=True)
        return upload.with_build(await self._builds.get(build_id))

    async def _watch(self, upload: Upload, build_id: str) -> Upload:
        async with self._logs.watch(build_id) as changes:
            async for _ in changes:
                upload = upload.with_build(await self._builds.get(build_id))
                if upload.state.is_final:
                    break
        return upload


def refusal_of(upload: Upload) -> UploadRefusedError:
    """Return why a refused upload was refused."""
    failure = upload.failure
    return UploadRefusedError(
        file=upload.filename,
        build=upload.build_id,
        failure="cancelled" if failure is None else failure.code,
        reason="its build was cancelled." if failure is None else failure.summary,
        remedy="Upload it again." if failure is None else failure.hint,
    )


def _read(file: ReceivedFile, filename: str) -> WheelFile:
    """Check a wheel as data. Blocks."""
    try:
        return check_wheel(cast("io.BufferedIOBase", file.stream), filename=filename)
    except RefusedWheelError as error:
        raise invalid_wheel(filename, str(error), error.kind) from error


def _false_digests(file: ReceivedFile, claims: UploadClaims) -> Iterator[str]:
    for name, found in file.digests.items():
        claimed = claims.digests.get(name)
        if claimed and claimed.lower() != found:
            yield f"its {name} is {found}, and the form says {claimed[:_SHOWN]}"


def _false_claims(wheel: WheelFile, claims: UploadClaims) -> Iterator[str]:
    """Yield what a form says that is not true of the wheel."""
    if claims.name and canonicalize_name(claims.name[:MAX_NAME]) != wheel.project:
        yield f"the file is of {wheel.project}, and the form says {claims.name[:_SHOWN]}"
    if claims.version and find_version(claims.version) != wheel.version:
        yield f"the file has the version {wheel.version}, and the form says {claims.version[:_SHOWN]}"
    if claims.filetype and claims.filetype != "bdist_wheel":
        yield f"the file is a wheel, and the form says {claims.filetype[:_SHOWN]}"
    pythons = {tag.interpreter for tag in wheel.tags}
    # Senders take it from the file name, where several are joined by dots.
    if claims.pyversion and set(claims.pyversion[:MAX_NAME].split(".")) != pythons:
        yield f"the file is for {'.'.join(sorted(pythons))}, and the form says {claims.pyversion[:_SHOWN]}"
