"""The last layer of an image: the lock of its packages and its SBOM, read off the image itself; and its labels.

Must not decide what is in an image.
"""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Final

from packaging.utils import parse_wheel_filename

from wheelyard.adapters.engine_command import EngineCommand
from wheelyard.adapters.image_build import ImageBuild, build_image
from wheelyard.adapters.image_context import ContextFile
from wheelyard.adapters.image_options import ImageOptions
from wheelyard.adapters.image_records import PROJECT_LABEL, ImageRecord
from wheelyard.adapters.process import LineCallback
from wheelyard.domain.packages import InstalledPackage, digest_lock, parse_packages, write_lock
from wheelyard.domain.sbom import ImageContent, write_sbom

FOLDER: Final = "/opt/wheelyard"
_QUERY: Final = r"dpkg-query --show --showformat '${Package}\t${Version}\t${Architecture}\n'"
_ISOLATION: Final = ("--rm", "--network", "none", "--label", PROJECT_LABEL)


async def read_packages(engine: EngineCommand, image: str) -> tuple[InstalledPackage, ...]:
    """Ask an image which system packages it has."""
    return parse_packages(await run_in(engine, image, _QUERY))


async def read_sbom(engine: EngineCommand, image: str) -> str:
    """Read the SBOM that an image carries."""
    return await run_in(engine, image, f"cat {FOLDER}/sbom.json")


async def run_in(engine: EngineCommand, image: str, script: str) -> str:
    """Run a shell script in a container without network, and return what it prints."""
    return (await engine.run(["run", *_ISOLATION, *engine.ulimit_args, image, "sh", "-euc", script])).text


async def build_finished(
    engine: EngineCommand,
    build: ImageBuild,
    *,
    content: ImageContent,
    options: ImageOptions,
    on_progress: LineCallback,
) -> ImageRecord:
    """Build an image, and add the lock and the SBOM of what came to be in it.

    Args:
        engine: the engine.
        build: the image without its last layer.
        content: what is known of it before; packages and distribution are read off the image.
        options: how images are made here.
        on_progress: called with each line.
    """
    draft = replace(build, tag=f"{build.tag}-draft", labels={"role": "draft", "definition": build.labels["definition"]})
    built = await build_image(engine, draft, options=options, on_progress=on_progress)
    packages = await read_packages(engine, built.id)
    distribution = await run_in(engine, built.id, '. /etc/os-release; echo "$ID"')
    known = replace(content, packages=packages, distribution=distribution)
    finished = ImageBuild(
        tag=build.tag,
        labels={**build.labels, "packages-digest": digest_lock(packages)},
        dockerfile=f"FROM {draft.tag}\nCOPY wheelyard/ {FOLDER}/\n",
        files=(
            ContextFile(name="wheelyard/packages.lock", content=write_lock(packages).encode()),
            ContextFile(name="wheelyard/sbom.json", content=write_sbom(known).encode()),
        ),
    )
    image = await build_image(engine, finished, options=options, on_progress=on_progress)
    await engine.run(["image", "rm", draft.tag], check=False)
    return image


def describe_tool(wheel: Path) -> tuple[str, str, str]:
    """Give a tool's project, version and sha256 by its wheel; blocks while it reads it."""
    project, version, *_ = parse_wheel_filename(wheel.name)
    return project, str(version), hashlib.sha256(wheel.read_bytes()).hexdigest()
