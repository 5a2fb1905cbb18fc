"""What the engine is asked to build to add a toolchain to a builder, as data. Must not run anything.

The layer tells the agent what it holds (builders/README.md): one JSON file for each toolchain.
"""

import json
import shlex
from typing import Final

from wheelyard.adapters.images.build import ImageBuild
from wheelyard.adapters.images.contents import manager_of
from wheelyard.adapters.images.context import ContextFile
from wheelyard.adapters.images.names import ImageName, ImageRecord
from wheelyard.domain.catalogue.catalogue import Catalogue, Toolchain
from wheelyard.domain.catalogue.definition import toolchain_definition
from wheelyard.domain.toolchain import ToolchainName

_FACTS_DIR: Final = "/opt/wheelyard/toolchains"
# Java's packages make links among the manuals, which are left out of our images, and fail without their folder:
# https://bugs.debian.org/863199
_MANUALS: Final = "/usr/share/man/man1"


def toolchain_build(
    catalogue: Catalogue, name: ToolchainName, *, suite: str, builder: ImageRecord
) -> tuple[ImageName, ImageBuild]:
    """Add a toolchain to a builder, or to a builder that has another one already."""
    toolchain = catalogue.toolchain[name]
    definition = toolchain_definition(catalogue, name, suite=suite, builder=builder.id)
    image = ImageName(name=f"toolchain-{suite}-{name}", definition=definition)
    held = [part for part in builder.labels.get("toolchains", "").split(",") if part]
    labels = {
        "role": "toolchain",
        "builder": builder.id,
        "toolchains": ",".join([*held, name]),
        "definition": definition,
    }
    facts = json.dumps(toolchain.model_dump(mode="json", include={"version_command", "env"}), sort_keys=True)
    return image, ImageBuild(
        tag=image.tag,
        labels=labels,
        dockerfile=_write_dockerfile(name, toolchain, suite=suite, builder=builder),
        files=(ContextFile(name=f"{name}.json", content=facts.encode()),),
    )


def _write_dockerfile(name: ToolchainName, toolchain: Toolchain, *, suite: str, builder: ImageRecord) -> str:
    manager = manager_of(builder)
    packages = toolchain.suite[suite].packages_for(manager.name)
    return (
        f"FROM {builder.id}\nUSER root\n"
        f"COPY {name}.json {_FACTS_DIR}/{name}.json\nARG REVISION\n"
        f"RUN mkdir -p {_MANUALS} && {manager.write_install(packages)} && {shlex.join(toolchain.version_command)}\n"
        "USER 1000:1000\n"
    )
