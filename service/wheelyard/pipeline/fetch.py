"""Stage fetch: bring the sdist in, and the files that the recipe adds, by their hashes. Must not look inside."""

from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import urlsplit

from wheelyard.domain.packaging.release import IndexFile
from wheelyard.domain.recipes.effective import SourceFile
from wheelyard.domain.untrusted.versions import read_version
from wheelyard.errors import HashMismatchError, SourceMismatchError
from wheelyard.pipeline.job import Job, Tools

_PREFIX: Final = "source-"


async def fetch(job: Job, tools: Tools) -> Job:
    """Fetch the sdist and the recipe's sources into the cache, or find them there."""
    order = job.claim.order
    file = IndexFile(
        filename=order.sdist.filename,
        url=order.sdist.url,
        sha256=order.sdist.sha256,
        kind="sdist",
        version=read_version(order.version),
        size_bytes=order.sdist.size_bytes,
    )
    sdist = await tools.source.fetch(file)
    return job.knowing(
        sdist=sdist, sources=tuple([await _fetch_source(job, tools, one) for one in order.recipe.sources])
    )


async def _fetch_source(job: Job, tools: Tools, source: SourceFile) -> Path:
    """Fetch a file that the recipe names; raises SourceMismatchError, since the hash is the recipe's, too."""
    order = job.claim.order
    await job.note(f"source {source.url} sha256={source.sha256}")
    try:
        return await tools.source.fetch(_file_of(source, order.version))
    except HashMismatchError as error:
        release = f"{order.project} {order.version}"
        raise SourceMismatchError(
            release=release, url=source.url, expected=error.expected, found=error.found
        ) from error


def _file_of(source: SourceFile, version: str) -> IndexFile:
    """Describe a source as the cache knows files.

    The prefix keeps it from passing for a release of a project, whose name might be one of the operator's own.
    """
    name = f"{_PREFIX}{PurePosixPath(urlsplit(source.url).path).name}"
    return IndexFile(filename=name, url=source.url, sha256=source.sha256, kind="sdist", version=read_version(version))
