"""The lock file of an image's packages and its SBOM: read from the image, and built into it."""

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
"""Folder of the lock and the SBOM in a build's context."""
_DIGEST: Final = "packages-digest"
_ISOLATION: Final = ("--rm", "--pull=never", "--network", "none", "--label", PROJECT_LABEL)


async def read_packages(
    engine: EngineCommand, image: str, *, manager: PackageManager = APT
) -> tuple[InstalledPackage, ...]:
    """Return an image's system packages."""
    return parse_packages(await run_in(engine, image, manager.list_packages))


async def read_sbom(engine: EngineCommand, image: str) -> str:
    """Return the SBOM that an image contains."""
    return await run_in(engine, image, f"cat {FOLDER}/sbom.json")


async def run_in(engine: EngineCommand, image: str, script: str) -> str:
    """Run a shell script in a container without network, and return its output."""
    return (await engine.run(["run", *_ISOLATION, *engine.ulimit_args, image, "sh", "-euc", script])).text


async def build_finished(run: ImageRun, build: ImageBuild, *, ground: ImageBuild, content: ImageContent) -> ImageRecord:
    """Build an image whose lock and SBOM are in the layer of all our files.

    Args:
        run: What it is made with.
        build: The image. Its Dockerfile gets what it starts from as an ARG with the name of that stage.
        ground: What it starts from, which has all of its system packages.
        content: What is known of it before. Packages and distribution are read from the ground.
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
    """Return an intermediate image's build, named so that it is recognised if the process ends there."""
    labels = {"role": "draft", "definition": build.labels["definition"]}
    return replace(build, tag=f"{build.tag}-draft", labels=labels)


async def _describe(
    engine: EngineCommand, image: str, content: ImageContent, *, manager: PackageManager = APT
) -> tuple[tuple[ContextFile, ContextFile], str]:
    """Return the lock and the SBOM of an image, and the lock's digest."""
    output = await run_in(engine, image, f'. /etc/os-release; echo "$ID"; {manager.list_packages}')
    distribution, _, listed = output.partition("\n")
    packages = parse_packages(listed)
    known = replace(content, packages=packages, distribution=distribution, package_url=manager.package_url)
    lock = ContextFile(name=f"{CONTENT_FOLDER}/packages.lock", content=write_lock(packages).encode())
    sbom = ContextFile(name=f"{CONTENT_FOLDER}/sbom.json", content=write_sbom(known).encode())
    return (lock, sbom), digest_lock(packages)


async def build_extension(run: ImageRun, build: ImageBuild, *, below: ImageRecord) -> ImageRecord:
    """Build an image that adds system packages to another one. Everything else in it is as in that one's SBOM."""
    content = read_sbom_content(await read_sbom(run.engine, below.id))
    named = replace(content, name=build.tag.partition(":")[0], version=build.labels["definition"])
    return await build_on(run, build, below=below, content=named, manager=below.manager)


async def build_on(
    run: ImageRun, build: ImageBuild, *, below: ImageRecord, content: ImageContent, manager: PackageManager
) -> ImageRecord:
    """Build an image on another one, and then the lock and the SBOM of the result into it."""
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
    """Return a tool's project, version and sha256 from its wheel. Blocks while it reads it."""
    project, version, *_ = read_wheel_name(wheel.name)
    return project, str(version), hashlib.sha256(wheel.read_bytes()).hexdigest()
