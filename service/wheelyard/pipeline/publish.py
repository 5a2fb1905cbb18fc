"""Stage publish: put the proven wheel on the index and read it back."""

from dataclasses import replace

from wheelyard.errors import WorkerLostError
from wheelyard.pipeline.job import Job, Tools, known


async def publish(job: Job, tools: Tools) -> Job:
    """Publish; only the bytes that were verified can pass, and publishing them twice is no harm.

    Raises:
        WorkerLostError: somebody else has the build by now.
    """
    wheel, path = known(job.wheel), known(job.repaired).path

    async def permit() -> None:
        """Note the upload, which only an attempt that still holds its build can."""
        if not await tools.uploads.begin(job.claim, filename=path.name, sha256=wheel.sha256):
            raise WorkerLostError(worker=job.claim.worker)

    published = await tools.index.publish(path, sha256=wheel.sha256, permit=permit)
    await job.note(f"published {published.filename} sha256={published.sha256}")
    on_index = replace(wheel, url=published.url, index_url=published.index_url, level=published.level)
    return job.knowing(wheel=on_index, published=published)
