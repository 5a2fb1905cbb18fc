"""Stage fetch: bring the sdist in, by its hash. Must not look inside."""

from packaging.version import Version

from wheelyard.domain.release import IndexFile
from wheelyard.pipeline.job import Job, Tools


async def fetch(job: Job, tools: Tools) -> Job:
    """Fetch the sdist into the cache, or find it there."""
    order = job.claim.order
    file = IndexFile(
        filename=order.sdist.filename,
        url=order.sdist.url,
        sha256=order.sdist.sha256,
        kind="sdist",
        version=Version(order.version),
        size_bytes=order.sdist.size_bytes,
    )
    return job.knowing(sdist=await tools.source.fetch(file))
