"""Sign what is known of files: of each wheel before it is listed, and of all other files soon after."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

from wheelyard.domain.builds.build import Attempt, Build, Status
from wheelyard.domain.index.wheels import IndexedWheel
from wheelyard.domain.provenance.statements import (
    PUBLISH,
    SLSA,
    BuildRun,
    Predicate,
    Signing,
    describe_build,
    describe_copy,
    write_provenance,
    write_statement,
)
from wheelyard.errors import NotFoundError, RecordUnreadableError
from wheelyard.interfaces import BuildStore
from wheelyard.interfaces.signing import Signer, SigningStore
from wheelyard.logs import get_logger

_BATCH: Final = 20
_log = get_logger(__name__)
CurrentSigner = Callable[[], Awaitable[Signer]]


def sign_file(
    signer: Signer,
    filename: str,
    sha256: str,
    predicate: Predicate,
    brought: Sequence[Mapping[str, object]] = (),
) -> bytes:
    """Return the provenance object of a file: that it was published, how it was made, and what came with it."""
    statements = (
        write_statement(filename, sha256, SLSA, predicate),
        write_statement(filename, sha256, PUBLISH, None),
    )
    return write_provenance(signer.publisher, [signer.sign(one) for one in statements], brought)


class AttestFiles:
    """Signs the files that have no provenance: mirrored ones, sdists, and wheels from before there were signatures."""

    def __init__(
        self,
        store: SigningStore,
        builds: BuildStore,
        *,
        signer: CurrentSigner,
        version: str,
        now: Callable[[], datetime],
    ) -> None:
        """Set the records, and what returns a key to sign with."""
        self._store = store
        self._builds = builds
        self._signer = signer
        self._version = version
        self._now = now

    async def once(self) -> None:
        """Sign all files without provenance, the newest first; raise SigningUnavailableError."""
        while files := await self._store.unattested(limit=_BATCH):
            signer = await self._signer()
            for file in files:
                signing = Signing(builder_id=signer.builder_id, version=self._version, at=self._now())
                predicate = await self._describe(file, signing)
                brought = await self._store.brought_attestations(file.sha256)
                signed = sign_file(signer, file.filename, file.sha256, predicate, brought)
                await self._store.keep_provenance(file.filename, sha256=file.sha256, provenance=signed)
            _log.info("files-attested", count=len(files))

    async def _describe(self, file: IndexedWheel, signing: Signing) -> Predicate:
        build = await self._build_of(file)
        attempt = _made_by(build) if build is not None else None
        if build is None or attempt is None or build.wheel is None or build.wheel.sha256 != file.sha256:
            return describe_copy(file, signing)
        run = BuildRun(
            build_id=build.id,
            attempt=attempt.number,
            started_at=attempt.started_at,
            finished_at=attempt.finished_at or file.uploaded_at,
            images={},
        )
        return describe_build(build.order, build.wheel, run, signing)

    async def _build_of(self, file: IndexedWheel) -> Build | None:
        if file.build_id is None:
            return None
        try:
            return await self._builds.get(file.build_id)
        except (NotFoundError, RecordUnreadableError):
            return None


def _made_by(build: Build) -> Attempt | None:
    made = [one for one in build.attempts if one.status is Status.SUCCEEDED]
    return made[-1] if made else None
