"""Take a file that somebody brings: check it as data, store it, submit the build that proves it, wait for its end."""

import asyncio
import io
import re
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, cast

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from wheelyard.build_events import note_uploaded
from wheelyard.domain.builds.build import BuildOrder
from wheelyard.domain.builds.records import Token
from wheelyard.domain.healing.wheel_claims import invalid_wheel
from wheelyard.domain.index.uploads import NewUpload, StoredUpload, Upload, UploadState
from wheelyard.domain.prebuilds.sdists import ALL_TARGETS, NamedTargets
from wheelyard.domain.trace import NO_TRACE, Trace
from wheelyard.domain.untrusted.file_names import MAX_NAME, read_sdist_name, read_wheel_name
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
from wheelyard.usecases.uploads.sdists import ReadSdists, invalid_sdist
from wheelyard.wheel_files.reader import RefusedWheelError, WheelFile, check_wheel
from wheelyard.wheel_files.received import ReceivedFile

_CHUNK_BYTES: Final = 1 << 20
_SDIST_ENDS: Final = (".tar.gz", ".zip")
_OTHER_ARCHIVES: Final = (".tar.bz2", ".tar.xz", ".tar.z", ".tgz", ".tar", ".egg")
_POLL_SECONDS: Final = 1.0
"""How often an upload that waits for the wheels of an sdist looks for them."""
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*")
_SHOWN: Final = 120


_Submit = Callable[[], Awaitable[StoredUpload]]
"""Stores a file with what proves it, once its bytes are stored."""


@dataclass(frozen=True, kw_only=True, slots=True)
class UploadClaims:
    """What a sender says about its file; None for what it does not say."""

    name: str | None = None
    version: str | None = None
    filetype: str | None = None
    pyversion: str | None = None
    digests: Mapping[str, str] = field(default_factory=dict)
    """In hexadecimal, by the names sha256, blake2_256 and md5."""
    targets: NamedTargets = ALL_TARGETS
    """The targets that an sdist's wheels are wanted for."""
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
        read_sdist: ReadSdists,
        stopping: asyncio.Event,
        new_id: Callable[[], uuid.UUID] = uuid.uuid4,
    ) -> None:
        """Set the planner, the stores and the reader of sdists; no wait goes on once the service is stopping."""
        self._plan = plan
        self._store = store
        self._builds = builds
        self._logs = logs
        self._read_sdist = read_sdist
        self._stopping = stopping
        self._new_id = new_id

    def check_name(self, filename: str, *, by: Token) -> NormalizedName:
        """Return the project of a file's name, before its bytes are read.

        Raises:
            UploadUnsupportedError: it is neither a wheel nor an sdist.
            InvalidWheelError: its name is not that of a wheel.
            InvalidSdistError: its name is not that of an sdist.
            PublishForbiddenError: the token may not upload files of the project.
        """
        if len(filename) > MAX_NAME or _PLAIN_NAME.fullmatch(filename) is None:
            raise UploadInvalidError(problems=[f"{filename[:_SHOWN]!r} is not a plain file name"])
        project = _project_of(filename)
        if not by.may_publish(project):
            raise PublishForbiddenError(project=project, publishes=by.publishes)
        return project

    async def __call__(
        self, file: ReceivedFile, filename: str, claims: UploadClaims, *, by: Token, trace: Trace = NO_TRACE
    ) -> Upload:
        """Check a file, store it and order what proves it; return the upload that stands for it.

        Once this returns, nothing is lost: a wheel is stored with its build, an sdist with the request for its wheels.
        The same bytes again return the former upload. Raises as ``check_name``, and:

        Raises:
            UploadInvalidError: what is claimed is not true of the file.
            InvalidWheelError, InvalidSdistError: its parts do not agree.
            NoTargetFitsError: its tags or its Requires-Python fit nothing that it could be tested on.
            UnknownTargetError: a target is named that there is not.
            UploadConflictError: other bytes have its name, or the release has another sdist.
            TooMuchOpenError: the token, or everybody together, has too many builds or bytes that wait.
            UnauthenticatedError: the token was revoked, or expired, while the file was sent.
        """
        project = self.check_name(filename, by=by)
        if problems := list(_false_digests(file, claims)):
            raise UploadInvalidError(problems=problems)
        upload = NewUpload(
            id=str(self._new_id()),
            filename=filename,
            project=project,
            version=str(_version_of(filename)),
            sha256=file.digests["sha256"],
            size_bytes=file.size_bytes,
            uploaded_by=by.actor,
            token_id=by.id,
            attestations=claims.attestations,
        )
        if filename.endswith(".whl"):
            submit = await self._check_wheel(file, upload, claims, trace)
        else:
            submit = await self._check_sdist(file, upload, claims, trace)
        if (former := await self._former(upload)) is not None:
            return former
        await store_parts(self._store, file, upload.id)
        try:
            stored = await submit()
        except (UploadConflictError, TooMuchOpenError, UnauthenticatedError):
            # Only for these is it certain that nothing was stored. After a lost connection the file may stand.
            await self._store.discard(upload.id)
            raise
        if stored.is_new:
            note_uploaded(stored.upload)
        return stored.upload

    async def _check_wheel(self, file: ReceivedFile, upload: NewUpload, claims: UploadClaims, trace: Trace) -> _Submit:
        """Return what stores a wheel with its build, once it was read."""
        wheel = await asyncio.to_thread(_read, file, upload.filename)
        if problems := list(_false_claims(wheel, claims)):
            raise UploadInvalidError(problems=problems)
        order = self._order(upload, wheel)
        return lambda: self._store.submit(upload, order, trace=trace)

    async def _check_sdist(self, file: ReceivedFile, upload: NewUpload, claims: UploadClaims, trace: Trace) -> _Submit:
        """Return what stores an sdist with the request for its wheels, once it was read."""
        if problems := list(_false_claims_of_sdist(upload, claims)):
            raise UploadInvalidError(problems=problems)
        sdist = await self._read_sdist(file, upload)
        request = await self._read_sdist.plan_wheels(sdist, named=claims.targets, trace=trace)
        return lambda: self._store.submit_sdist(upload, sdist, request)

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

    async def wait(self, upload: Upload, *, seconds: float) -> Upload:
        """Return the upload as it stands once it is published, or after some seconds; raise UploadRefusedError.

        Further wheels of an sdist may still be built then.
        """
        if not upload.state.is_final and seconds > 0:
            upload = await self._until_final(upload, seconds)
        if upload.state is UploadState.REFUSED:
            raise refusal_of(upload)
        return upload

    async def _until_final(self, upload: Upload, seconds: float) -> Upload:
        """Look at the upload at each of its changes, until it ends, the time is over, or the service stops."""
        stopping = asyncio.ensure_future(self._stopping.wait())
        watching = asyncio.ensure_future(self._watch_sdist(upload) if upload.sdist else self._watch(upload))
        try:
            await asyncio.wait({stopping, watching}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                return watching.result()
        finally:
            for task in (stopping, watching):
                task.cancel()
            await asyncio.gather(stopping, watching, return_exceptions=True)
        return await self._look_again(upload)

    async def _look_again(self, upload: Upload) -> Upload:
        if upload.build_id is not None:
            return upload.with_build(await self._builds.get(upload.build_id))
        standing = await self._store.standing(upload.filename)
        return standing if standing is not None and standing.id == upload.id else upload

    async def _watch_sdist(self, upload: Upload) -> Upload:
        """Poll, because what is waited for follows from several builds, and from the publication of the sdist."""
        while True:
            upload = await self._look_again(upload)
            if upload.state.is_final:
                return upload
            await asyncio.sleep(_POLL_SECONDS)

    async def _watch(self, upload: Upload) -> Upload:
        build_id = upload.build_id
        if build_id is None:
            return upload
        async with self._logs.watch(build_id) as changes:
            async for _ in changes:
                upload = upload.with_build(await self._builds.get(build_id))
                if upload.state.is_final:
                    break
        return upload


async def store_parts(store: UploadStore, file: ReceivedFile, file_id: str) -> None:
    """Store a received file in parts, before anything refers to it."""
    for number, offset in enumerate(range(0, file.size_bytes, _CHUNK_BYTES)):
        part = await asyncio.to_thread(file.read_part, offset, _CHUNK_BYTES)
        await store.put_chunk(file_id, number, part)


def refusal_of(upload: Upload) -> UploadRefusedError:
    """Return why a refused upload was refused."""
    failure = upload.failure
    return UploadRefusedError(
        file=upload.filename,
        build=upload.build_id,
        failure="cancelled" if failure is None else failure.code,
        reason=f"its {'build' if upload.sdist is None else 'request'} was cancelled."
        if failure is None
        else failure.summary,
        remedy="Upload it again." if failure is None else failure.hint,
    )


def _project_of(filename: str) -> NormalizedName:
    """Return the project of a file's name."""
    if filename.endswith(".whl"):
        try:
            return read_wheel_name(filename).project
        except RefusedTextError as error:
            raise InvalidWheelError(file=filename, reason=str(error)) from error
    if not filename.endswith(_SDIST_ENDS):
        other = filename.lower().endswith((*_OTHER_ARCHIVES, *_SDIST_ENDS))
        raise UploadUnsupportedError(
            file=filename, kind="an archive of another kind" if other else "of an unknown kind"
        )
    try:
        return read_sdist_name(filename).project
    except RefusedTextError as error:
        raise invalid_sdist(filename, str(error)) from error


def _version_of(filename: str) -> Version:
    """Return the version of a file's name that was checked."""
    return (read_wheel_name if filename.endswith(".whl") else read_sdist_name)(filename).version


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


def _false_claims_of_sdist(upload: NewUpload, claims: UploadClaims) -> Iterator[str]:
    """Yield what a form says that is not true of the sdist; its PKG-INFO is compared with its name later."""
    if claims.name and canonicalize_name(claims.name[:MAX_NAME]) != upload.project:
        yield f"the file is of {upload.project}, and the form says {claims.name[:_SHOWN]}"
    if claims.version and find_version(claims.version) != _version_of(upload.filename):
        yield f"the file has the version {upload.version}, and the form says {claims.version[:_SHOWN]}"
    if claims.filetype and claims.filetype != "sdist":
        yield f"the file is an sdist, and the form says {claims.filetype[:_SHOWN]}"
    if claims.pyversion and claims.pyversion != "source":
        yield f"the file is an sdist, whose pyversion is source, and the form says {claims.pyversion[:_SHOWN]}"


def _false_claims(wheel: WheelFile, claims: UploadClaims) -> Iterator[str]:
    """Yield what a form says that is not true of the wheel."""
    if claims.name and canonicalize_name(claims.name[:MAX_NAME]) != wheel.project:
        yield f"the file is of {wheel.project}, and the form says {claims.name[:_SHOWN]}"
    if claims.version and find_version(claims.version) != wheel.version:
        yield f"the file has the version {wheel.version}, and the form says {claims.version[:_SHOWN]}"
    if claims.filetype and claims.filetype != "bdist_wheel":
        yield f"the file is a wheel, and the form says {claims.filetype[:_SHOWN]}"
    if claims.targets:
        yield "targets are named for an sdist; the tags of a wheel say what it is for"
    pythons = {tag.interpreter for tag in wheel.tags}
    # Senders take it from the file name, where several are joined by dots.
    if claims.pyversion and set(claims.pyversion[:MAX_NAME].split(".")) != pythons:
        yield f"the file is for {'.'.join(sorted(pythons))}, and the form says {claims.pyversion[:_SHOWN]}"
