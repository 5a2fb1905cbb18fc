"""Take a project's folder, or an sdist, that a caller sends: check it as data, store it, submit its build."""

import asyncio
import io
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, cast

from packaging.utils import NormalizedName
from packaging.version import Version

from wheelyard.build_events import note_submitted
from wheelyard.domain.builds.git_identity import read_identity
from wheelyard.domain.builds.git_source import is_ref
from wheelyard.domain.builds.local_source import LocalKind, LocalOrigin
from wheelyard.domain.builds.queue import Priority
from wheelyard.domain.builds.records import Submission, Token
from wheelyard.domain.index.uploads import UPLOAD_SCHEME
from wheelyard.domain.trace import NO_TRACE, Trace
from wheelyard.domain.untrusted.file_names import read_project_name, read_sdist_name
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.errors import (
    LocalSourceInvalidError,
    PublishForbiddenError,
    TooMuchOpenError,
    UnauthenticatedError,
    UploadInvalidError,
)
from wheelyard.interfaces import BuildStore, UploadStore
from wheelyard.usecases.request_build import PlanBuild, SentSource
from wheelyard.usecases.uploads.bring_file import store_parts
from wheelyard.wheel_files.received import ReceivedFile

_FOLDER_FILE: Final = "folder.tar.gz"
ReadTexts = Callable[[io.BufferedIOBase, str], Mapping[str, str]]
"""Returns the files of an archive that may name its project; raises ValueError with the reason."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceClaims:
    """What a sender says about what it sends."""

    kind: LocalKind
    name: str
    """The name of the folder or file, without its path."""
    python: str
    platform: str
    priority: Priority = Priority.INTERACTIVE
    project: str | None = None
    """The project's name, for a folder whose files do not state it."""
    sha256: str | None = None
    commit: str | None = None
    tag: str | None = None


class BuildSource:
    """The use case behind ``POST /v1/builds/local``."""

    def __init__(
        self,
        *,
        plan: PlanBuild,
        store: UploadStore,
        builds: BuildStore,
        read_texts: ReadTexts,
        new_id: Callable[[], uuid.UUID] = uuid.uuid4,
    ) -> None:
        """Keep the planner, the stores, and what reads archives."""
        self._plan = plan
        self._store = store
        self._builds = builds
        self._read_texts = read_texts
        self._new_id = new_id

    def check(self, claims: SourceClaims, *, by: Token) -> None:
        """Check what is known before the bytes are read.

        Raises:
            LocalSourceInvalidError: the name is not that of an sdist, or not that of a project.
            PublishForbiddenError: the token may not publish the project.
        """
        if (named := _named(claims)) is not None:
            _check_right(named[0], by)

    async def __call__(
        self, file: ReceivedFile, claims: SourceClaims, *, by: Token, trace: Trace = NO_TRACE
    ) -> Submission:
        """Check what was sent, store it and submit its build; return the build, or an equal one. Raises as ``check``.

        Raises:
            UploadInvalidError: it is not what was sent.
            LocalSourceInvalidError: it is no archive of one project, or nothing says which project it is.
            TooMuchOpenError: the token has too many builds that wait.
            UnauthenticatedError: the token was revoked, or expired, while it was sent.

        It also raises what ``decide_local`` raises.
        """
        sha256 = file.digests["sha256"]
        if claims.sha256 is not None and claims.sha256.lower() != sha256:
            raise UploadInvalidError(problems=[f"its sha256 is {sha256}, and {claims.sha256[:64]} was announced"])
        project, version = await asyncio.to_thread(self._identify, file, claims)
        _check_right(project, by)
        file_id = str(self._new_id())
        origin = LocalOrigin(
            kind=claims.kind,
            name=claims.name,
            sha256=sha256,
            size_bytes=file.size_bytes,
            sent_by=by.actor,
            commit=claims.commit,
            tag=claims.tag if claims.kind is LocalKind.FOLDER and is_ref(claims.tag or "") else None,
        )
        url = f"{UPLOAD_SCHEME}:{file_id}"
        sent = SentSource(
            origin=origin,
            url=url,
            project=project,
            version=version,
            python=claims.python,
            platform=claims.platform,
        )
        order = self._plan.decide_local(sent)
        await store_parts(self._store, file, file_id)
        try:
            submission = await self._builds.submit(
                order, requested_by=by.actor, priority=claims.priority, token_id=by.id, trace=trace
            )
        except (TooMuchOpenError, UnauthenticatedError):
            # Only here is it certain that nothing was submitted. After a lost connection the build may stand.
            await self._store.discard(file_id)
            raise
        if submission.build.order.sdist.url != url:
            await self._store.discard(file_id)
        note_submitted(submission, requested_by=by.actor)
        return submission

    def _identify(self, file: ReceivedFile, claims: SourceClaims) -> tuple[NormalizedName, Version | None]:
        """Return the project and its version, if that is stated. Blocks."""
        named = _named(claims)
        filename = claims.name if claims.kind is LocalKind.SDIST else _FOLDER_FILE
        try:
            texts = self._read_texts(cast("io.BufferedIOBase", file.stream), filename)
        except ValueError as error:
            raise LocalSourceInvalidError(source=claims.name, reason=f"its archive is refused, {error}") from error
        if claims.kind is LocalKind.SDIST and named is not None:
            _check_sdist(claims.name, named, texts)
            return named
        stated = read_identity(texts)
        project = stated.project or (named[0] if named else None)
        if project is None:
            raise LocalSourceInvalidError(
                source=claims.name,
                reason="neither its pyproject.toml nor its setup.cfg states the project's name",
                remedy="Write the name before the path: 'NAME @ ./FOLDER'. It must be known before anything is run.",
            )
        if named is not None and named[0] != project:
            raise LocalSourceInvalidError(
                source=claims.name, reason=f"its files say that it is {project}, and {named[0]} was asked for"
            )
        return project, stated.version


def _named(claims: SourceClaims) -> tuple[NormalizedName, Version | None] | None:
    """Return the project that the sender names, by its own word or by an sdist's file name; None if it names none."""
    try:
        stated = None if claims.project is None else read_project_name(claims.project)
        named = read_sdist_name(claims.name) if claims.kind is LocalKind.SDIST else None
    except RefusedTextError as error:
        raise LocalSourceInvalidError(source=claims.name, reason=str(error)) from error
    if named is None:
        return None if stated is None else (stated, None)
    if "/" in claims.name or stated not in {None, named.project}:
        reason = (
            "its name has a slash" if "/" in claims.name else f"it is of {named.project}, and {stated} was asked for"
        )
        raise LocalSourceInvalidError(source=claims.name, reason=reason)
    return named


def _check_sdist(name: str, named: tuple[NormalizedName, Version | None], texts: Mapping[str, str]) -> None:
    """Raise LocalSourceInvalidError if an sdist's metadata is missing or of another release than its file name's."""
    stated = read_identity({"PKG-INFO": texts.get("PKG-INFO", "")})
    if stated.project is None or stated.version is None:
        raise LocalSourceInvalidError(
            source=name, reason="it has no PKG-INFO, so it is no sdist", remedy="Unpack it, and send its folder."
        )
    if (stated.project, stated.version) != named:
        reason = f"its PKG-INFO is of {stated.project} {stated.version}"
        raise LocalSourceInvalidError(source=name, reason=reason)


def _check_right(project: str, by: Token) -> None:
    if not by.may_publish(project):
        raise PublishForbiddenError(project=project, publishes=by.publishes)
