"""Stage prepare: have the images that the containers are made from. Must not start a container."""

from wheelyard.domain.system_packages import packages_for
from wheelyard.pipeline.job import Job, PreparedImages, Tools


async def prepare(job: Job, tools: Tools) -> Job:
    """Find or make the builder image with the recipe's toolchains and packages, and the runtime image.

    The runtime image is bare, but for what the recipe says that every host of the wheel has.
    """
    order = job.claim.order
    suite, python, recipe = order.builder, order.target.python, order.recipe
    packages = packages_for(recipe, manager=tools.images.package_manager(suite), suite=suite)
    builder = await tools.images.builder(
        suite=suite, python=python, apt=packages, toolchains=recipe.toolchains, log=job.log
    )
    runtime = await tools.images.runtime(suite=suite, python=python, apt=recipe.test_apt, log=job.log)
    await job.note(f"builder image {builder}")
    await job.note(f"runtime image {runtime}")
    return job.knowing(images=PreparedImages(builder=builder, runtime=runtime))
