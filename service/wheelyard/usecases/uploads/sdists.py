"""Read a brought sdist as data, and plan the wheels that are built from it."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

from packaging.utils import canonicalize_name

from wheelyard.domain.index.sdists import BroughtSdist
from wheelyard.domain.index.uploads import NewUpload
from wheelyard.domain.prebuilds.prebuild import Prebuild
from wheelyard.domain.prebuilds.sdists import NamedTargets
from wheelyard.domain.trace import Trace
from wheelyard.domain.untrusted.metadata import parse_metadata
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.domain.untrusted.versions import find_version
from wheelyard.errors import InvalidSdistError
from wheelyard.interfaces import ParserPool
from wheelyard.usecases.prebuild import Prebuilds
from wheelyard.wheel_files.received import ReceivedFile

ReadMetadata = Callable[[Path, str], bytes]
"""Returns the PKG-INFO of an sdist with this file name; raises RefusedTextError. It runs in a parser process."""
_REMEDY: Final = "Make it anew, for instance with 'python -m build --sdist', and upload that. Nothing was built."
_SHOWN: Final = 120


class ReadSdists:
    """Reads sdists that were received, and plans the requests for their wheels."""

    def __init__(self, prebuilds: Prebuilds, parsers: ParserPool, read_metadata: ReadMetadata) -> None:
        self._prebuilds = prebuilds
        self._parsers = parsers
        self._read_metadata = read_metadata

    async def __call__(self, file: ReceivedFile, upload: NewUpload) -> BroughtSdist:
        """Return an sdist whose file name and PKG-INFO name the same release; raise InvalidSdistError."""
        path = await asyncio.to_thread(lambda: file.path)
        try:
            metadata = await self._parsers.run(
                self._read_metadata, path, upload.filename, what=upload.filename, caller=upload.uploaded_by
            )
            sdist = await asyncio.to_thread(self._describe, upload, metadata)
        except RefusedTextError as error:
            raise invalid_sdist(upload.filename, str(error)) from error
        return sdist

    async def plan_wheels(self, sdist: BroughtSdist, *, named: NamedTargets, trace: Trace) -> Prebuild:
        """Return the request for its wheels; raise NoTargetFitsError or UnknownTargetError."""
        return await self._prebuilds.wheels_of(sdist, named=named, trace=trace)

    def _describe(self, upload: NewUpload, metadata: bytes) -> BroughtSdist:
        sdist = BroughtSdist.of(
            upload.filename,
            sha256=upload.sha256,
            size_bytes=upload.size_bytes,
            metadata=metadata,
            url=upload.url,
            brought_by=upload.uploaded_by,
            brought_at=self._prebuilds.now(),
        )
        _check_release(sdist)
        return sdist


def invalid_sdist(filename: str, reason: str) -> InvalidSdistError:
    """Return the error for an sdist that its sender can correct."""
    return InvalidSdistError(file=filename, reason=reason, remedy=_REMEDY)


def _check_release(sdist: BroughtSdist) -> None:
    """Raise RefusedTextError if its PKG-INFO does not name the release of its file name."""
    raw = parse_metadata(sdist.metadata)
    name, version = raw.get("name", ""), raw.get("version", "")
    named = find_version(version)
    if canonicalize_name(name) != sdist.project or named is None or str(named) != sdist.version:
        said = f"{name[:_SHOWN]} {version[:_SHOWN]}".strip() or "no release"
        raise RefusedTextError(f"its file name says {sdist.project} {sdist.version}, and its PKG-INFO says {said}")
