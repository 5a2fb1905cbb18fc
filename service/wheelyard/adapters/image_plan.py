"""What the engine is asked to build for each image of a suite, as data. Must not run anything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wheelyard.adapters.image_base import BaseRequest
from wheelyard.adapters.image_build import ImageBuild
from wheelyard.adapters.image_context import ContextFile
from wheelyard.adapters.image_records import ImageName, ImageRecord
from wheelyard.domain.catalogue import Catalogue, PythonSource, Suite
from wheelyard.domain.definition import (
    DefinitionFacts,
    base_definition,
    builder_definition,
    environment_definition,
    python_definition,
    pythons_definition,
    runtime_definition,
)

# The classic builder wants every source of a COPY, in stages that are not used, too.
_FOLDERS: Final = ("ca", "sources", "wheels")


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """What lies ready when an image is built."""

    base: ImageRecord
    source: Path
    """The source tarball of the Python that the Dockerfile's python stage compiles, or finds in the engine's cache."""
    pythons: str = "python"
    """Name of the image with the compiled Pythons, or of the stage that compiles one."""
    wheels: tuple[Path, ...] = ()
    """The tools' wheels."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SuitePlan:
    """How the images of one suite are built."""

    catalogue: Catalogue
    facts: DefinitionFacts
    suite: str
    certificates: tuple[ContextFile, ...] = ()
    """The operator's certificates."""

    @property
    def entry(self) -> Suite:
        """The suite's entry in the catalogue."""
        return self.catalogue.suite[self.suite]

    def source(self, python: str) -> PythonSource:
        """Give a Python's entry in the catalogue."""
        return self.catalogue.python[python]

    def base(self) -> BaseRequest:
        """Say which base is wanted."""
        return BaseRequest(
            suite=self.suite,
            definition=base_definition(self.catalogue, self.facts, suite=self.suite),
            source_date_epoch=self.catalogue.source_date_epoch,
        )

    def python_name(self, python: str) -> ImageName:
        """Name the image with one compiled Python."""
        definition = python_definition(self.catalogue, self.facts, suite=self.suite, python=python)
        return ImageName(name=f"python-{self.suite}-{python}", definition=definition)

    def pythons_name(self) -> ImageName:
        """Name the image that joins all of the suite's compiled Pythons."""
        definition = pythons_definition(self.catalogue, self.facts, suite=self.suite)
        return ImageName(name=f"pythons-{self.suite}", definition=definition)

    def runtime_name(self, python: str) -> ImageName:
        """Name the bare image with one Python."""
        definition = runtime_definition(self.catalogue, self.facts, suite=self.suite, python=python)
        return ImageName(name=f"runtime-{self.suite}-{python}", definition=definition)

    def builder_name(self) -> ImageName:
        """Name the suite's builder."""
        definition = builder_definition(self.catalogue, self.facts, suite=self.suite)
        return ImageName(name=f"builder-{self.suite}", definition=definition)

    def python_build(self, python: str, parts: Parts) -> ImageBuild:
        """Compile one Python."""
        name = self.python_name(python)
        return self._build("python", name, parts, python=python, labels={"python": python})

    def pythons_build(self, compiled: Sequence[str]) -> ImageBuild:
        """Join compiled Pythons, each its own image so that a new one does not compile the others again."""
        first, *others = compiled
        copies = "".join(f"COPY --from={image} /opt/python /opt/python\n" for image in others)
        name = self.pythons_name()
        labels = {"role": "pythons", "python": ",".join(self.entry.pythons), "definition": name.definition}
        return ImageBuild(tag=name.tag, labels=labels, dockerfile=f"FROM {first}\n{copies}")

    def runtime_build(self, python: str, parts: Parts) -> ImageBuild:
        """Make the bare image."""
        return self._build("runtime", self.runtime_name(python), parts, python=python, labels={"python": python})

    def builder_build(self, parts: Parts) -> ImageBuild:
        """Make the builder, whose python stage is that of its first Python."""
        pythons = self.entry.pythons
        labels = {"python": ",".join(pythons)}
        return self._build("builder", self.builder_name(), parts, python=pythons[0], labels=labels)

    def _build(
        self, target: str, name: ImageName, parts: Parts, *, python: str, labels: Mapping[str, str]
    ) -> ImageBuild:
        return ImageBuild(
            tag=name.tag,
            labels={"role": target, **self._labels(name, parts.base), **labels},
            dockerfile=self.facts.dockerfile,
            files=self._files(parts),
            folders=_FOLDERS,
            target=target,
            build_args=self._build_args(python, parts),
        )

    def _labels(self, name: ImageName, base: ImageRecord) -> dict[str, str]:
        return {
            "suite": self.suite,
            "policy": str(self.entry.policy_on(self.facts.architecture)),
            "architecture": self.facts.architecture,
            "base-digest": base.labels.get("base-digest", ""),
            "definition": name.definition,
        }

    def _files(self, parts: Parts) -> tuple[ContextFile, ...]:
        return (
            ContextFile(name="tools.lock", content=self.facts.tools_lock.encode()),
            ContextFile(name="sources/python.tar", content=parts.source),
            *self.certificates,
            *(ContextFile(name=f"wheels/{wheel.name}", content=wheel) for wheel in parts.wheels),
        )

    def _build_args(self, python: str, parts: Parts) -> dict[str, str]:
        packages = self.entry.packages
        return {
            "BASE": parts.base.tags[0],
            "PYTHONS": parts.pythons,
            "RUNTIME_PACKAGES": " ".join(packages.runtime),
            "BUILD_PACKAGES": " ".join(packages.build),
            "PYTHON_PACKAGES": " ".join(packages.python),
            "PYTHON": python,
            "PYTHON_CONFIGURE": " ".join(self.source(python).configure),
            "SOURCE_DATE_EPOCH": str(self.catalogue.source_date_epoch),
            "TOOLS_PYTHON": self.catalogue.tools.python,
        }


def environment_build(builder: ImageRecord, packages: tuple[str, ...]) -> tuple[ImageName, ImageBuild]:
    """Add system packages to a builder; the package manager runs as root, what comes after it does not."""
    name = ImageName(name="environment", definition=environment_definition(builder=builder.id, packages=packages))
    dockerfile = (
        f"FROM {builder.id}\nUSER root\n"
        "RUN export DEBIAN_FRONTEND=noninteractive && apt-get update"
        f" && apt-get install --yes --no-install-recommends {' '.join(packages)}"
        " && rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/*.log\n"
        "USER 1000:1000\n"
    )
    labels = {"role": "environment", "builder": builder.id, "apt": ",".join(packages), "definition": name.definition}
    return name, ImageBuild(tag=name.tag, labels=labels, dockerfile=dockerfile)
