"""Stage prepare: have the images that the containers are made from. Must not start a container."""

import asyncio
from dataclasses import replace

from wheelyard.domain.recipes.sdist_facts import find_rust_builder
from wheelyard.domain.recipes.system_packages import packages_for
from wheelyard.domain.toolchain import ToolchainName
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.errors import ToolchainTooOldError
from wheelyard.pipeline.crates import wants_crates
from wheelyard.pipeline.job import Job, PreparedImages, Tools, known


async def prepare(job: Job, tools: Tools) -> Job:
    """Find or make the builder image with its toolchains and the recipe's packages, and the runtime image.

    The runtime image is bare, but for what the recipe says that every host of the wheel has.
    """
    job, builder = await _prepare_builder(job, tools)
    order = job.claim.order
    runtime = await tools.images.runtime(
        suite=order.builder, python=order.target.python, apt=order.recipe.test_apt, log=job.log
    )
    await job.note(f"builder image {builder}")
    await job.note(f"runtime image {runtime}")
    return job.knowing(images=PreparedImages(builder=builder, runtime=runtime))


async def _prepare_builder(job: Job, tools: Tools) -> tuple[Job, str]:
    """Give the builder that the recipe describes, and Rust besides if the sdist says that it is compiled from that.

    A suite without Rust is tried as it is: some projects can do without, and the others say so themselves.
    """
    needs_rust = None if wants_crates(job) else await _find_rust_builder(job, tools)
    if needs_rust is None:
        return job, await _builder_of(job, tools)
    with_rust = _adding(job, ToolchainName.RUST)
    try:
        builder = await _builder_of(with_rust, tools)
    except ToolchainTooOldError:
        await job.note(f"its build requires {needs_rust}, and {job.claim.order.builder} has no Rust")
        return job, await _builder_of(job, tools)
    await job.note(f"its build requires {needs_rust}, so it gets Rust")
    return with_rust, builder


async def _find_rust_builder(job: Job, tools: Tools) -> str | None:
    pyproject = await asyncio.to_thread(tools.read_pyproject, known(job.sdist))
    order = job.claim.order
    what = f"the pyproject.toml of {order.project} {order.version}"
    try:
        return await tools.parsers.run(
            find_rust_builder, pyproject or b"", order.recipe.dropped_requires, what=what, caller=order.project
        )
    except RefusedTextError as error:
        await job.note(f"whether it needs Rust is not known: {error}")
        return None


def _adding(job: Job, toolchain: ToolchainName) -> Job:
    """Let the rest of the job be as if the recipe asked for a toolchain."""
    order = job.claim.order
    recipe = replace(order.recipe, toolchains=(*order.recipe.toolchains, toolchain.value))
    return replace(job, claim=replace(job.claim, order=replace(order, recipe=recipe)))


async def _builder_of(job: Job, tools: Tools) -> str:
    order = job.claim.order
    suite, recipe = order.builder, order.recipe
    packages = packages_for(recipe, manager=tools.images.package_manager(suite), suite=suite)
    return await tools.images.builder(
        suite=suite, python=order.target.python, apt=packages, toolchains=recipe.toolchains, log=job.log
    )
