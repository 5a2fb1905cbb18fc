"""Stages before the build: log the order, fetch the sources, prepare the images of the containers."""

import asyncio
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import urlsplit

from wheelyard.domain.builds.build import BuildOrder
from wheelyard.domain.packaging.release import IndexFile
from wheelyard.domain.recipes.effective import SourceFile
from wheelyard.domain.recipes.sdist_facts import find_rust_builder
from wheelyard.domain.recipes.system_packages import packages_for
from wheelyard.domain.toolchain import ToolchainName
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.domain.untrusted.versions import read_version
from wheelyard.errors import (
    HashMismatchError,
    ImageBuildFailedError,
    PackageUnknownError,
    SourceMismatchError,
    ToolchainTooOldError,
)
from wheelyard.interfaces import Network
from wheelyard.pipeline.crates import wants_crates
from wheelyard.pipeline.heal import foresee, is_foresight, without_foresight
from wheelyard.pipeline.job import Job, PreparedImages, Tools, granted_limits, granted_network, is_emulated, known
from wheelyard.pipeline.limits import unmet_requests


async def prepare(job: Job, tools: Tools) -> Job:
    """Find or build the builder image with its toolchains and the recipe's packages, and the runtime image.

    The runtime image has nothing more than what the recipe requires of every host of the wheel.
    """
    job = await foresee(job, tools)
    # On a new host both take half a minute after the Python is compiled.
    foreseen = job.claim.order.recipe.test_apt
    making = asyncio.create_task(_runtime_of(job, tools))
    try:
        job, builder = await _builder_with_foresight(job, tools)
        is_same = job.claim.order.recipe.test_apt == foreseen
        runtime = await (making if is_same else _runtime_of(job, tools))
    finally:
        making.cancel()
        await asyncio.gather(making, return_exceptions=True)
    await job.note(f"builder image {builder}")
    await job.note(f"runtime image {runtime}")
    return job.knowing(images=PreparedImages(builder=builder, runtime=runtime))


async def _builder_with_foresight(job: Job, tools: Tools) -> tuple[Job, str]:
    """Return the builder; if it cannot be made with the packages that were foreseen, the one without them."""
    try:
        return await prepare_builder(job, tools, await _read_pyproject(job, tools))
    except (ImageBuildFailedError, PackageUnknownError):
        if not is_foresight(job):
            raise
        job = await without_foresight(job)
        return await prepare_builder(job, tools, await _read_pyproject(job, tools))


async def _runtime_of(job: Job, tools: Tools) -> str:
    order = job.claim.order
    return await tools.images.runtime(
        suite=order.builder,
        python=order.target.python,
        architecture=order.target.policy.architecture,
        apt=order.recipe.test_apt,
        log=job.log,
    )


async def prepare_builder(
    job: Job, tools: Tools, pyproject: bytes | None, *, further: tuple[str, ...] = ()
) -> tuple[Job, str]:
    """Return the recipe's builder, with Rust added if the project's build requirements show that it needs Rust.

    A suite without Rust is tried as it is: some projects can build without it, and the others report that themselves.
    """
    needs_rust = None if wants_crates(job) else await _find_rust_builder(job, tools, pyproject)
    if needs_rust is None:
        return job, await builder_of(job, tools, further=further)
    with_rust = _adding(job, ToolchainName.RUST)
    try:
        builder = await builder_of(with_rust, tools, further=further)
    except ToolchainTooOldError:
        await job.note(f"its build requires {needs_rust}, and {job.claim.order.builder} has no Rust")
        return job, await builder_of(job, tools, further=further)
    await job.note(f"its build requires {needs_rust}, so it gets Rust")
    return with_rust, builder


async def _read_pyproject(job: Job, tools: Tools) -> bytes | None:
    return await asyncio.to_thread(tools.read_pyproject, known(job.sdist))


async def _find_rust_builder(job: Job, tools: Tools, pyproject: bytes | None) -> str | None:
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
    """Return the job as if the recipe asked for a toolchain."""
    order = job.claim.order
    recipe = replace(order.recipe, toolchains=(*order.recipe.toolchains, toolchain.value))
    return replace(job, claim=replace(job.claim, order=replace(order, recipe=recipe)))


async def builder_of(job: Job, tools: Tools, *, further: tuple[str, ...] = ()) -> str:
    """Return the builder of the order's suite and Python, with what its recipe adds, and further system packages."""
    order = job.claim.order
    suite, recipe = order.builder, order.recipe
    packages = packages_for(recipe, manager=tools.images.package_manager(suite), suite=suite)
    return await tools.images.builder(
        suite=suite,
        python=order.target.python,
        architecture=order.target.policy.architecture,
        apt=(*packages, *further),
        toolchains=recipe.toolchains,
        log=job.log,
    )


async def resolve(job: Job, tools: Tools) -> Job:
    """Write the order into the log, so that the log can be read alone.

    Raises:
        NetworkRefusedError: its recipe asks for a network, and this worker gives builds none.
    """
    order = job.claim.order
    network = granted_network(job, tools)
    limits = granted_limits(order, tools).limits
    await job.note(f"{order.project} {order.version} for {order.target}, on the builder of {order.builder}")
    await job.note(str(order.origin or f"{order.sdist.filename} sha256={order.sdist.sha256}"))
    for warning in order.origin.warnings if order.origin else ():
        await job.note(f"warning: {warning}")
    if needs := (*order.recipe.toolchains, *order.recipe.apt):
        await job.note(f"recipe {order.recipe_digest[:12]}: {', '.join(needs)}")
    await job.note(f"limits: {limits.memory_bytes >> 20} MiB, {limits.cpus:g} cpus, {limits.time_seconds} s a stage")
    if is_emulated(order, tools):
        await job.note(
            f"emulated: this worker runs {order.target.policy.architecture} by qemu-user, so each stage may take "
            f"{tools.emulation_time_factor:g} times its limit of time"
        )
    if network is not Network.NONE:
        await job.note("network: the build has one, because its recipe asks for it and the operator allows it")
    for request in unmet_requests(order.recipe, tools.limits.ceiling):
        await job.note(request)
    return job


_PREFIX: Final = "source-"


async def fetch(job: Job, tools: Tools) -> Job:
    """Fetch the sdist and the recipe's sources into the cache, or find them there."""
    order = job.claim.order
    sdist = await tools.source.fetch(source_of(order))
    return job.knowing(sdist=sdist, sources=await fetch_sources(job, tools))


async def fetch_sources(job: Job, tools: Tools) -> tuple[Path, ...]:
    """Fetch the recipe's further files, in its order; raise SourceMismatchError."""
    return tuple([await _fetch_source(job, tools, one) for one in job.claim.order.recipe.sources])


def source_of(order: BuildOrder) -> IndexFile:
    """Return the file that a build starts from."""
    return IndexFile(
        filename=order.sdist.filename,
        url=order.sdist.url,
        sha256=order.sdist.sha256,
        kind="wheel" if order.is_brought else "sdist",
        version=read_version(order.version),
        size_bytes=order.sdist.size_bytes,
    )


async def _fetch_source(job: Job, tools: Tools, source: SourceFile) -> Path:
    """Fetch a file that the recipe names; raise SourceMismatchError, since the recipe also names the hash."""
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
    """Describe a source as the cache describes files.

    The prefix keeps it apart from releases of projects, whose names may be the operator's own.
    """
    name = f"{_PREFIX}{PurePosixPath(urlsplit(source.url).path).name}"
    return IndexFile(filename=name, url=source.url, sha256=source.sha256, kind="sdist", version=read_version(version))
