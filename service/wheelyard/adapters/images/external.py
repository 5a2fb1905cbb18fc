"""How a builder is made from an external image, as data: the tools, the user, the Pythons' paths.

The result keeps the contract of builders (builders/README.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wheelyard.adapters.images.build import ImageBuild, ImageRun
from wheelyard.adapters.images.context import ContextFile
from wheelyard.adapters.images.names import find_image
from wheelyard.domain.catalogue.catalogue import Catalogue
from wheelyard.domain.catalogue.definition import DefinitionFacts, builder_definition, builder_pythons
from wheelyard.domain.catalogue.images import ImageName, ImageRecord
from wheelyard.domain.catalogue.package_managers import PackageManager, find_manager
from wheelyard.domain.catalogue.suites import ImageSuite
from wheelyard.errors import EngineCommandError, ImageBuildFailedError, SuiteUnsupportedError

_PATH: Final = "/opt/wheelyard/tools/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, kw_only=True, slots=True)
class ExternalPlan:
    """How a builder is made from an external image."""

    catalogue: Catalogue
    facts: DefinitionFacts
    suite: str
    entry: ImageSuite
    revision: str = ""
    certificates: tuple[ContextFile, ...] = ()
    """The operator's certificates."""

    @property
    def manager(self) -> PackageManager:
        """The package manager of the image."""
        return find_manager(self.entry.package_manager)

    def builder_name(self, python: str) -> ImageName:
        """Return the name of the builder for one Python."""
        definition = builder_definition(self.catalogue, self.facts, suite=self.suite, python=python)
        return ImageName(name=f"builder-{self.suite}-{python}", definition=definition, revision=self.revision)

    def builder_build(self, python: str, *, below: ImageRecord, digest: str, wheels: Sequence[Path]) -> ImageBuild:
        """Return the build that makes a builder of ours from an image."""
        name, pythons = self.builder_name(python), builder_pythons(self.catalogue, python)
        labels = {
            "role": "builder",
            "suite": self.suite,
            "policy": str(self.entry.policy_on(self.facts.architecture)),
            "architecture": self.facts.architecture,
            "package-manager": self.manager.name,
            "python": ",".join(pythons),
            "base-digest": digest,
            "definition": name.definition,
        }
        return ImageBuild(
            tag=name.tag,
            labels={**labels, "revision": name.revision} if name.revision else labels,
            dockerfile=f"FROM {below.id}\n{self._write_steps(pythons)}",
            files=(
                ContextFile(name="tools.lock", content=self.facts.tools_lock.encode()),
                *self.certificates,
                *(ContextFile(name=f"wheels/{wheel.name}", content=wheel) for wheel in wheels),
            ),
            folders=("ca", "wheels"),
            build_args={"REVISION": self.revision},
        )

    def _write_steps(self, pythons: Sequence[str]) -> str:
        links = " && ".join(_link(self.entry.python_prefix(python), f"/opt/python/{python}") for python in pythons)
        tools = f"/opt/python/{self.catalogue.tools.python}/bin/python{self.catalogue.tools.python}"
        return f"""USER 0
ARG REVISION
COPY ca/ /usr/local/share/ca-certificates/wheelyard/
RUN {self.manager.upgrade}
RUN {self.manager.add_user} && mkdir -p /scratch /opt/python && chmod 1777 /scratch && {links}
RUN find / -xdev -type f -perm /6000 -exec chmod a-s {{}} +
COPY wheels/ /tmp/wheels/
COPY tools.lock /tmp/tools.lock
RUN set -eu; export SOURCE_DATE_EPOCH={self.catalogue.source_date_epoch} \\
        UV_NO_CACHE=1 UV_OFFLINE=1 UV_LINK_MODE=copy UV_NO_PROGRESS=1; \\
    {tools} -m zipfile -e /tmp/wheels/uv-*.whl /tmp/uv; \\
    uv=$(echo /tmp/uv/uv-*.data/scripts/uv); \\
    chmod +x "$uv"; \\
    "$uv" venv --python {tools} /opt/wheelyard/tools; \\
    "$uv" pip install --python /opt/wheelyard/tools --no-index --find-links /tmp/wheels --require-hashes \\
        --compile-bytecode --requirement /tmp/tools.lock; \\
    rm -rf /tmp/uv /tmp/wheels /tmp/tools.lock /opt/wheelyard/tools/.lock
ENV LANG=C.UTF-8 PATH={_PATH}
WORKDIR /scratch
ENTRYPOINT []
CMD ["/bin/sh"]
USER 1000:1000
"""


def _link(prefix: str, place: str) -> str:
    """Return the command that links a Python to where the contract has it, unless it is already there."""
    return f"{{ test -x {place}/bin/python || ln -sfn {prefix} {place}; }}"


def plan_external(
    catalogue: Catalogue, facts: DefinitionFacts, entry: ImageSuite, *, suite: str, revision: str
) -> ExternalPlan:
    """Return how a builder is made from an external image; raise SuiteUnsupportedError if it has no runtime."""
    if not entry.is_buildable:
        raise SuiteUnsupportedError(suite=suite, image=entry.image, package_manager=entry.package_manager)
    return ExternalPlan(catalogue=catalogue, facts=facts, suite=suite, entry=entry, revision=revision)


async def fetch_external(run: ImageRun, plan: ExternalPlan) -> tuple[ImageRecord, str]:
    """Return the image and its digest: that of the registry, or its own id if only this host has it.

    A refresh pulls it again. If the registry does not answer then, the local image is used.

    Raises:
        ImageBuildFailedError: It is not here and cannot be pulled.
    """
    engine, reference = run.engine, plan.entry.image
    found = None if plan.revision else await find_image(engine, reference)
    if found is None:
        run.report(f"{plan.suite}: pulling {reference}")
        try:
            await engine.run(["pull", reference], on_line=run.report)
        except EngineCommandError as error:
            run.report(f"{plan.suite}: {reference} cannot be pulled")
            found = await find_image(engine, reference)
            if found is None:
                raise ImageBuildFailedError(image=reference, excerpt=error.output) from error
        found = found or await find_image(engine, reference)
    if found is None:
        raise ImageBuildFailedError(image=reference, excerpt="the engine reports success, but has no such image")
    digests = (await engine.run(["image", "inspect", "--format", '{{join .RepoDigests " "}}', reference])).text.split()
    return found, digests[0].rpartition("@")[2] if digests else found.id
