"""Stage publish: put the proven wheel on the index and read it back."""

from dataclasses import replace

from wheelyard.pipeline.job import Job, Tools, known


async def publish(job: Job, tools: Tools) -> Job:
    """Publish; only the bytes that were verified can pass, and publishing them twice is no harm."""
    wheel = known(job.wheel)
    published = await tools.index.publish(known(job.repaired).path, sha256=wheel.sha256)
    await job.note(f"published {published.filename} sha256={published.sha256}")
    return job.knowing(wheel=replace(wheel, url=published.url, index_url=published.index_url))
