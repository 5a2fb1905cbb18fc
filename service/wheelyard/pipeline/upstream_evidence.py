"""Ask upstream's index for its own wheels of a release, as evidence of what a build should make.

An index that does not answer, or a wheel that cannot be read, is no evidence: the build is then judged by its own log.
"""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Final

from packaging.utils import canonicalize_name

from wheelyard.domain.builds.expectations import Doubt
from wheelyard.domain.builds.upstream_wheels import NearestWheels, UpstreamRelease, UpstreamWheel, is_for_linux
from wheelyard.domain.packaging.release import IndexFile
from wheelyard.domain.untrusted.versions import read_version
from wheelyard.errors import (
    DownloadFailedError,
    HashMismatchError,
    IndexUnavailableError,
    OwnProjectError,
    UnknownProjectError,
)
from wheelyard.pipeline.job import Job, Tools
from wheelyard.wheel_files.reader import list_extension_files

_MAX_BYTES: Final = 60 << 20
"""The largest wheel that is fetched only to read the names in it."""
_SECONDS: Final = 90.0
"""How long the index may take for both the page and the wheel."""


async def find_upstream(job: Job, tools: Tools, doubt: Doubt) -> UpstreamRelease:
    """Return upstream's wheels of the job's release, with the names in the nearest native one if they matter."""
    try:
        async with asyncio.timeout(_SECONDS):
            return await _find(job, tools, doubt)
    except (IndexUnavailableError, UnknownProjectError, OwnProjectError, TimeoutError) as error:
        reason = str(error) or f"it did not answer in {_SECONDS:.0f} s"
        await job.note(f"The wheel is not compared with upstream's: {reason}")
        return UpstreamRelease()


async def _find(job: Job, tools: Tools, doubt: Doubt) -> UpstreamRelease:
    order = job.claim.order
    page = await tools.source.project(canonicalize_name(order.project))
    nearest = NearestWheels.of(page, read_version(order.version), order.target)
    upstream = UpstreamRelease(
        pure=nearest.pure.filename if nearest.pure else None,
        native=nearest.native.filename if nearest.native else None,
        native_serves=nearest.serves,
    )
    if nearest.native is None or not doubt.needs_names(upstream):
        return upstream
    return replace(upstream, wheel=await _read_wheel(nearest.native, job, tools))


async def _read_wheel(file: IndexFile, job: Job, tools: Tools) -> UpstreamWheel | None:
    """Fetch a wheel and read the names in it; return None if that is not possible."""
    if file.size_bytes is None or file.size_bytes > _MAX_BYTES:
        await job.note(
            f"The wheel is not compared with upstream's {file.filename}, which is too large, or of no known size."
        )
        return None
    try:
        path: Path = await tools.source.fetch(file)
        members = await tools.parsers.run(
            list_extension_files, path, what=f"upstream's {file.filename}", caller=job.claim.order.project
        )
    except (DownloadFailedError, HashMismatchError, ValueError) as error:
        await job.note(f"The wheel is not compared with upstream's {file.filename}: {error}")
        return None
    await job.note(f"compared with upstream's {file.filename}")
    return UpstreamWheel(filename=file.filename, members=members, is_for_linux=is_for_linux(file.filename))
