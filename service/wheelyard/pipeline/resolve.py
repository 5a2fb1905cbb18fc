"""Stage resolve: say what this attempt is about to do, or why it may not.

The release itself was chosen when the build was ordered.
"""

from wheelyard.interfaces import Network
from wheelyard.pipeline.granted_network import granted_network
from wheelyard.pipeline.job import Job, Tools
from wheelyard.pipeline.limits import grant_limits, unmet_wishes


async def resolve(job: Job, tools: Tools) -> Job:
    """Put the order into the log, so that it can be read without anything else at hand.

    Raises:
        NetworkRefusedError: its recipe asks for a network, and this worker gives builds none.
    """
    order = job.claim.order
    network = granted_network(job, tools)
    limits = grant_limits(order.recipe, tools.limits).limits
    await job.note(f"{order.project} {order.version} for {order.target}, on the builder of {order.builder}")
    await job.note(f"{order.sdist.filename} sha256={order.sdist.sha256}")
    if needs := (*order.recipe.toolchains, *order.recipe.apt):
        await job.note(f"recipe {order.recipe_digest[:12]}: {', '.join(needs)}")
    await job.note(f"limits: {limits.memory_bytes >> 20} MiB, {limits.cpus:g} cpus, {limits.time_seconds} s a stage")
    if network is not Network.NONE:
        await job.note("network: the build has one, because its recipe asks for it and the operator allows it")
    for wish in unmet_wishes(order.recipe, tools.limits.ceiling):
        await job.note(wish)
    return job
