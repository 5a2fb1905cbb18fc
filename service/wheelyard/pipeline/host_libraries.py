"""Find out what a verified wheel needs of its host: libraries that neither it nor a bare image has."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase

from wheelyard.domain.builds.build import HostLibraryNeed, Stage
from wheelyard.domain.healing.host_libraries import judge_host_library
from wheelyard.domain.recipes.effective import EffectiveRecipe
from wheelyard.pipeline.build import python_path
from wheelyard.pipeline.container_job import expect_report, open_bare
from wheelyard.pipeline.job import Job, Tools, known
from wheelyard.pipeline.wheel_report import read_sonames


async def find_host_libraries(
    job: Job, tools: Tools, *, missing: Collection[str], packages: Mapping[str, str]
) -> tuple[HostLibraryNeed, ...]:
    """Return the libraries that the repaired wheel needs of its host.

    Args:
        job: The job with its repaired wheel.
        tools: What the stages use.
        missing: Sonames that were not found where the wheel was verified, although everything required worked.
        packages: The system packages of the libraries that were found there, by soname. If the recipe had packages
            installed there, a container of the bare image tells which of the libraries come from them.
    """
    recipe = job.claim.order.recipe
    beyond_bare = await _missing_in_bare(job, tools) if recipe.test_apt and packages else ()
    sonames = {*missing, *(name for name in beyond_bare if name in packages)}
    needs = tuple(_describe(recipe, sonames, packages))
    for need in needs:
        await job.note(f"its host must have {need.soname} ({need.package or 'no known package'}): {need.reason}")
    return needs


async def _missing_in_bare(job: Job, tools: Tools) -> tuple[str, ...]:
    order, wheel = job.claim.order, known(job.repaired).path
    image = await tools.images.runtime(
        suite=order.builder, python=order.target.python, architecture=order.target.policy.architecture, log=job.log
    )
    bare = job.knowing(images=replace(known(job.images), runtime=image))
    async with open_bare(bare, tools, image=image, python=python_path(order.target.python)) as conversation:
        await conversation.send_file(wheel)
        await conversation.send("libraries", wheel=wheel.name)
        report = await expect_report(conversation, job, tools, stage=Stage.VERIFY)
    return read_sonames(report.fields, "missing_libraries")


def _describe(
    recipe: EffectiveRecipe, sonames: Collection[str], packages: Mapping[str, str]
) -> Iterator[HostLibraryNeed]:
    for soname in sorted(sonames):
        judged = judge_host_library(soname)
        reason = judged.reason
        if any(fnmatchcase(soname, pattern) for pattern in recipe.excluded_libraries):
            reason = "its recipe excludes it"
        elif judged.may_graft:
            reason = "its policy promises it on every host, so it was not grafted"
        yield HostLibraryNeed(soname=soname, package=packages.get(soname), reason=reason)
