"""Stage resolve: say what this attempt is about to do. The release itself was chosen when the build was ordered."""

from wheelyard.pipeline.job import Job, Tools


async def resolve(job: Job, tools: Tools) -> Job:
    """Put the order into the log, so that it can be read without anything else at hand."""
    order, limits = job.claim.order, tools.limits
    await job.note(f"{order.project} {order.version} for {order.target}, on the builder of {order.builder}")
    await job.note(f"{order.sdist.filename} sha256={order.sdist.sha256}")
    if needs := (*order.recipe.toolchains, *order.recipe.apt):
        await job.note(f"recipe {order.recipe_digest[:12]}: {', '.join(needs)}")
    await job.note(f"limits: {limits.memory_bytes >> 20} MiB, {limits.cpus:g} cpus, {limits.time_seconds} s a stage")
    return job
