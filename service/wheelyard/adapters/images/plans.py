"""What the engine is to build for each image of a suite, as data."""

import hashlib
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from wheelyard.adapters.images.base import BaseRequest
from wheelyard.adapters.images.build import ImageBuild, replace_stage
from wheelyard.adapters.images.contents import CONTENT_FOLDER, draft_of
from wheelyard.adapters.images.context import ContextFile
from wheelyard.domain.catalogue.architectures import DEBIAN_ARCHITECTURES, TRIPLETS
from wheelyard.domain.catalogue.catalogue import Catalogue, Python, PythonSource, Toolchain
from wheelyard.domain.catalogue.definition import (
    DefinitionFacts,
    base_definition,
    builder_definition,
    builder_pythons,
    environment_definition,
    optimised_definition,
    own_suite,
    python_definition,
    pythons_definition,
    runtime_definition,
    toolchain_definition,
)
from wheelyard.domain.catalogue.images import ImageName, ImageRecord
from wheelyard.domain.catalogue.suites import Suite
from wheelyard.domain.toolchain import ToolchainName

_CERTIFICATES: Final = "ca"
_GROUNDS: Final = {"runtime": "bare", "builder": "toolchain"}
"""For each finished image, the stage that it starts from. The stage has all of its system packages."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PythonImage:
    """An image with compiled Pythons."""

    tag: str
    sources: tuple[tuple[str, str], ...]
    """The full version and the source's sha256 of each."""
    optimised: tuple[str, ...] = ()
    """Those that were compiled with a profile."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """What is ready when an image is built from compiled Pythons."""

    base: ImageRecord
    pythons: PythonImage
    wheels: tuple[Path, ...] = ()
    """The tools' wheels."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SuitePlan:
    """How the images of one suite are built."""

    catalogue: Catalogue
    facts: DefinitionFacts
    suite: str
    revision: str = ""
    """Set while images are made that will replace those of the same definition."""
    kept: str | None = None
    """Revision of the image whose system packages the successor keeps. None: it gets those of today."""
    certificates: tuple[ContextFile, ...] = field(default=())
    """The operator's certificates."""
    machine: str
    """The engine's machine. It emulates the images of another architecture, whose names end with that."""

    @property
    def suffix(self) -> str:
        """What the names of images end with: nothing for those of the engine's machine."""
        return "" if self.facts.architecture == self.machine else f"-{self.facts.architecture}"

    @property
    def entry(self) -> Suite:
        """The suite's entry in the catalogue."""
        return own_suite(self.catalogue, self.suite)

    def python(self, python: str) -> Python:
        """Return a Python's entry in the catalogue."""
        return self.catalogue.cpython(python)

    def pythons(self, python: str) -> tuple[str, ...]:
        """Return the Pythons of the builder for one Python."""
        return builder_pythons(self.catalogue, python)

    def base(self) -> BaseRequest:
        """Return the base that is wanted."""
        return BaseRequest(
            suite=self.suite,
            definition=base_definition(self.catalogue, self.facts, suite=self.suite),
            source_date_epoch=self.catalogue.source_date_epoch,
            entry=self.entry,
            revision=self.revision if self.kept is None else "",
            suffix=self.suffix,
        )

    def python_name(self, python: str) -> ImageName:
        """Return the name of the image with one compiled Python. A refreshed base does not compile it again."""
        definition = python_definition(self.catalogue, self.facts, suite=self.suite, python=python)
        return ImageName(name=f"python-{self.suite}-{python}{self.suffix}", definition=definition)

    def optimised_name(self, python: str) -> ImageName:
        """Return the name of the image with the same Python, compiled again with a profile."""
        definition = optimised_definition(self.catalogue, self.facts, suite=self.suite, python=python)
        return ImageName(name=f"optimised-{self.suite}-{python}", definition=definition)

    def pythons_name(self, python: str, optimised: Sequence[str] = ()) -> ImageName:
        """Return the name of the image that joins the compiled Pythons of one builder."""
        definition = pythons_definition(self.catalogue, self.facts, suite=self.suite, python=python)
        if optimised:
            parts = "".join(self.optimised_name(one).definition for one in optimised)
            definition = hashlib.sha256(f"{definition}{parts}".encode()).hexdigest()
        return ImageName(name=f"pythons-{self.suite}-{python}{self.suffix}", definition=definition)

    def runtime_name(self, python: str) -> ImageName:
        """Return the name of the bare image with one Python."""
        definition = runtime_definition(self.catalogue, self.facts, suite=self.suite, python=python)
        return ImageName(
            name=f"runtime-{self.suite}-{python}{self.suffix}", definition=definition, revision=self.revision
        )

    def builder_name(self, python: str) -> ImageName:
        """Return the name of the suite's builder for one Python."""
        definition = builder_definition(self.catalogue, self.facts, suite=self.suite, python=python)
        return ImageName(
            name=f"builder-{self.suite}-{python}{self.suffix}", definition=definition, revision=self.revision
        )

    def python_build(self, python: str, *, base: ImageRecord, source: PythonSource, archive: Path) -> ImageBuild:
        """Return the build that compiles one Python from the available source."""
        name = self.python_name(python)
        labels = {"python": python, "python-version": source.version, "python-sha256": source.sha256}
        return ImageBuild(
            tag=name.tag,
            labels={"role": "python", **self._labels(name, base), **labels},
            dockerfile=self.facts.dockerfile,
            files=(
                ContextFile(name="python.tar", content=archive),
                ContextFile(name="compile_python.sh", content=self.facts.compile_script.encode()),
                *self.certificates,
            ),
            folders=(_CERTIFICATES,),
            target="python",
            build_args=self._build_args(python, base),
        )

    def cross_build(self, build: ImageBuild, python: str, *, native: str) -> ImageBuild:
        """Return the build of one Python with cross-compilers, in the place of ``python_build``'s.

        Args:
            build: What ``python_build`` returns for this architecture.
            python: The Python.
            native: Name of the engine's own image of the same Python.
        """
        foreign, here = TRIPLETS[self.facts.architecture], TRIPLETS[self.machine]
        debian = DEBIAN_ARCHITECTURES[self.facts.architecture]
        interpreter = f"/opt/build-python/{python}/bin/python{python}"
        options = (f"--host={foreign}", f"--build={here}", f"--with-build-python={interpreter}")
        dockerfile = replace_stage(self.facts.dockerfile, self.facts.cross)
        return replace(
            build,
            dockerfile=f"ARG NATIVE\n{dockerfile}",
            build_args={
                **build.build_args,
                "NATIVE": native,
                "CROSS_ARCHITECTURE": debian,
                "CROSS_TRIPLET": foreign,
                "CROSS_PACKAGES": " ".join(f"{name}-{foreign.replace('_', '-')}" for name in ("gcc", "g++")),
                "PYTHON_PACKAGES": " ".join(f"{name}:{debian}" for name in self.entry.packages.python),
                "PYTHON_CONFIGURE": " ".join([*self.python(python).configure, *options]),
            },
        )

    def optimised_build(self, python: str, *, quick: ImageRecord, archive: Path) -> ImageBuild:
        """Return the build of the image that has an optimised Python, a tar, in the place of the quick one."""
        name = self.optimised_name(python)
        return ImageBuild(
            tag=name.tag,
            labels={**quick.labels, "definition": name.definition, "optimised": python},
            dockerfile=f"FROM {quick.name}\nRUN rm -rf /opt/python/{python}\nADD python.tar /\n",
            files=(ContextFile(name="python.tar", content=archive),),
        )

    def pythons_build(self, python: str, compiled: Sequence[str], optimised: Sequence[str] = ()) -> ImageBuild:
        """Return the build that joins compiled Pythons, each of its own image: a new one does not recompile others."""
        first, *others = compiled
        copies = "".join(f"COPY --from={image} /opt/python /opt/python\n" for image in others)
        name = self.pythons_name(python, optimised)
        labels = {"role": "pythons", "python": ",".join(self.pythons(python)), "definition": name.definition}
        return ImageBuild(tag=name.tag, labels=labels, dockerfile=f"FROM {first}\n{copies}")

    def runtime_build(self, python: str, parts: Parts) -> ImageBuild:
        """Return the build of the bare image."""
        return self._build("runtime", self.runtime_name(python), parts, python=python, labels={"python": python})

    def builder_build(self, python: str, parts: Parts) -> ImageBuild:
        """Return the build of the builder for one Python."""
        labels = {"python": ",".join(self.pythons(python))}
        return self._build("builder", self.builder_name(python), parts, python=python, labels=labels)

    def ground_build(self, build: ImageBuild) -> ImageBuild:
        """Return the build of a finished image's ground, so that its packages can be read before the rest is made."""
        stage = _GROUNDS[str(build.target)]
        return replace(draft_of(build), target=stage, files=self.certificates, folders=(_CERTIFICATES,))

    def _build(
        self, target: str, name: ImageName, parts: Parts, *, python: str, labels: Mapping[str, str]
    ) -> ImageBuild:
        versions = ",".join(version for version, _ in parts.pythons.sources)
        built = {"python-version": versions}
        if parts.pythons.optimised:
            built["optimised"] = ",".join(parts.pythons.optimised)
        return ImageBuild(
            tag=name.tag,
            labels={"role": target, **self._labels(name, parts.base), **labels, **built},
            dockerfile=self.facts.dockerfile,
            files=(
                ContextFile(name="tools.lock", content=self.facts.tools_lock.encode()),
                *self.certificates,
                *(ContextFile(name=f"wheels/{wheel.name}", content=wheel) for wheel in parts.wheels),
            ),
            folders=(_CERTIFICATES, "wheels", CONTENT_FOLDER),
            target=target,
            build_args={**self._build_args(python, parts.base), "PYTHONS": parts.pythons.tag},
        )

    def _labels(self, name: ImageName, base: ImageRecord) -> dict[str, str]:
        labels = {
            "suite": self.suite,
            "policy": str(self.entry.policy_on(self.facts.architecture)),
            "architecture": self.facts.architecture,
            "base-digest": base.labels.get("base-digest", ""),
            "archive-dates": base.labels.get("archive-dates", ""),
            "definition": name.definition,
        }
        revision = name.revision if self.kept is None else self.kept
        return {**labels, "revision": revision} if revision else labels

    def _build_args(self, python: str, base: ImageRecord) -> dict[str, str]:
        packages = self.entry.packages
        return {
            "BASE": base.tags[0],
            "REVISION": self.revision if self.kept is None else self.kept,
            "RUNTIME_PACKAGES": " ".join(packages.runtime),
            "BUILD_PACKAGES": " ".join(packages.build),
            "PYTHON_PACKAGES": " ".join(packages.python),
            "PYTHON": python,
            "PYTHON_CONFIGURE": " ".join(self.python(python).configure),
            "SOURCE_DATE_EPOCH": str(self.catalogue.source_date_epoch),
            "TOOLS_PYTHON": self.catalogue.tools.python,
        }


def environment_build(builder: ImageRecord, packages: tuple[str, ...]) -> tuple[ImageName, ImageBuild]:
    """Return the build that adds system packages to an image of ours. Only the package manager runs as root."""
    name = ImageName(name="environment", definition=environment_definition(builder=builder.id, packages=packages))
    dockerfile = (
        f"FROM {builder.id}\nUSER root\nARG REVISION\nRUN {builder.manager.write_install(packages)}\nUSER 1000:1000\n"
    )
    labels = {"role": "environment", "builder": builder.id, "apt": ",".join(packages), "definition": name.definition}
    return name, ImageBuild(tag=name.tag, labels=labels, dockerfile=dockerfile)


_FACTS_DIR: Final = "/opt/wheelyard/toolchains"
# Java's packages make links in the folder of manuals, which our images lack, and fail without it:
# https://bugs.debian.org/863199
_MANUALS: Final = "/usr/share/man/man1"


def toolchain_build(
    catalogue: Catalogue, name: ToolchainName, *, suite: str, builder: ImageRecord
) -> tuple[ImageName, ImageBuild]:
    """Return the build that adds a toolchain to a builder, which may already have another one."""
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
    manager = builder.manager
    packages = toolchain.suite[suite].packages_for(manager.name)
    return (
        f"FROM {builder.id}\nUSER root\n"
        f"COPY {name}.json {_FACTS_DIR}/{name}.json\nARG REVISION\n"
        f"RUN mkdir -p {_MANUALS} && {manager.write_install(packages)} && {shlex.join(toolchain.version_command)}\n"
        "USER 1000:1000\n"
    )
