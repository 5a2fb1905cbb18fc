"""The lock file of an image's packages and its SBOM: read off the image, and built into it."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Final

from wheelyard.adapters.engine.command import PROJECT_LABEL, EngineCommand
from wheelyard.adapters.images.build import ImageBuild, ImageRun
from wheelyard.adapters.images.context import ContextFile
from wheelyard.domain.catalogue.images import HELD, ImageRecord
from wheelyard.domain.catalogue.package_managers import APT, PackageManager
from wheelyard.domain.catalogue.packages import InstalledPackage, digest_lock, parse_packages, write_lock
from wheelyard.domain.catalogue.sbom import ImageContent, read_sbom_content, write_sbom
from wheelyard.domain.untrusted.file_names import read_wheel_name

FOLDER: Final = "/opt/wheelyard"
CONTENT_FOLDER: Final = "wheelyard"
"""Where a build's context has the lock and the SBOM."""
_DIGEST: Final = "packages-digest"
_ISOLATION: Final = ("--rm", "--pull=never", "--network", "none", "--label", PROJECT_LABEL)


async def read_packages(
    engine: EngineCommand, image: str, *, manager: PackageManager = APT
) -> tuple[InstalledPackage, ...]:
    """Ask an image which system packages it has."""
    return parse_packages(await run_in(engine, image, manager.list_packages))


async def read_sbom(engine: EngineCommand, image: str) -> str:
    """Read the SBOM that an image carries."""
    return await run_in(engine, image, f"cat {FOLDER}/sbom.json")


async def run_in(engine: EngineCommand, image: str, script: str) -> str:
    """Run a shell script in a container without network, and return what it prints."""
    return (await engine.run(["run", *_ISOLATION, *engine.ulimit_args, image, "sh", "-euc", script])).text


async def build_finished(run: ImageRun, build: ImageBuild, *, ground: ImageBuild, content: ImageContent) -> ImageRecord:
    """Build an image whose lock and SBOM are in the layer that brings everything of ours.

    Args:
        run: what it is made with.
        build: the image; its Dockerfile takes what it starts from as an ARG, named like that stage.
        ground: what it starts from, which has all of its system packages.
        content: what is known of it before; packages and distribution are read off the ground.
    """
    made = await run.build(ground)
    files, digest = await _describe(run.engine, made.id, content)
    finished = replace(
        build,
        labels={**build.labels, _DIGEST: digest},
        files=(*build.files, *files),
        build_args={**build.build_args, str(ground.target).upper(): ground.tag},
    )
    image = await run.build(finished)
    await run.engine.run(["image", "rm", ground.tag], check=False)
    return image


def draft_of(build: ImageBuild) -> ImageBuild:
    """Name what is made on the way to an image, so that it is known as such if the process ends there."""
    labels = {"role": "draft", "definition": build.labels["definition"]}
    return replace(build, tag=f"{build.tag}-draft", labels=labels)


async def _describe(
    engine: EngineCommand, image: str, content: ImageContent, *, manager: PackageManager = APT
) -> tuple[tuple[ContextFile, ContextFile], str]:
    """Write the lock and the SBOM of an image; also gives the lock's digest."""
    said = await run_in(engine, image, f'. /etc/os-release; echo "$ID"; {manager.list_packages}')
    distribution, _, listed = said.partition("\n")
    packages = parse_packages(listed)
    known = replace(content, packages=packages, distribution=distribution, package_url=manager.package_url)
    lock = ContextFile(name=f"{CONTENT_FOLDER}/packages.lock", content=write_lock(packages).encode())
    sbom = ContextFile(name=f"{CONTENT_FOLDER}/sbom.json", content=write_sbom(known).encode())
    return (lock, sbom), digest_lock(packages)


async def build_extension(run: ImageRun, build: ImageBuild, *, below: ImageRecord) -> ImageRecord:
    """Build an image that adds system packages to another one; all else that is in it is what that one's SBOM says."""
    content = read_sbom_content(await read_sbom(run.engine, below.id))
    named = replace(content, name=build.tag.partition(":")[0], version=build.labels["definition"])
    return await build_on(run, build, below=below, content=named, manager=below.manager)


async def build_on(
    run: ImageRun, build: ImageBuild, *, below: ImageRecord, content: ImageContent, manager: PackageManager
) -> ImageRecord:
    """Build an image on another one, and on it the lock and the SBOM of what came to be in it."""
    held = f"{build.tag}{HELD}"
    dockerfile = build.dockerfile.replace(f"FROM {below.id}\n", f"FROM {held}\n", 1)
    await run.engine.run(["tag", below.id, held])
    try:
        draft = draft_of(replace(build, dockerfile=dockerfile))
        built = await run.build(draft)
        files, digest = await _describe(run.engine, built.id, content, manager=manager)
        finished = ImageBuild(
            tag=build.tag,
            labels={**build.labels, _DIGEST: digest},
            dockerfile=f"FROM {draft.tag}\nCOPY {CONTENT_FOLDER}/ {FOLDER}/\n",
            files=files,
        )
        image = await run.build(finished)
        await run.engine.run(["image", "rm", draft.tag], check=False)
        return image
    finally:
        await run.engine.run(["image", "rm", held], check=False)


def describe_tool(wheel: Path) -> tuple[str, str, str]:
    """Give a tool's project, version and sha256 by its wheel; blocks while it reads it."""
    project, version, *_ = read_wheel_name(wheel.name)
    return project, str(version), hashlib.sha256(wheel.read_bytes()).hexdigest()
