"""Stage verify: test the wheel in the bare runtime image, with nothing beside it but what it requires."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from packaging.markers import UndefinedEnvironmentName
from packaging.utils import canonicalize_name

from wheelyard.domain.builds.build import Proof, Stage, ThreadingProof, Wheel
from wheelyard.domain.healing.mending import project_of
from wheelyard.domain.packaging.release import IndexFile
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.untrusted.file_names import read_wheel_name
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.domain.untrusted.requirements import read_requirement
from wheelyard.errors import (
    BuildRequirementsError,
    RequirementsUnsatisfiedError,
    VerifyFailedError,
    WheelsMissingError,
    WheelyardError,
)
from wheelyard.pipeline.build import python_path
from wheelyard.pipeline.container_job import expect_report, note_network, open_job
from wheelyard.pipeline.conversation import Conversation, Message
from wheelyard.pipeline.host_libraries import find_host_libraries
from wheelyard.pipeline.job import Job, RepairedWheel, Tools, is_emulated, known
from wheelyard.pipeline.wheel_report import read_packages, read_sonames, read_threading
from wheelyard.wheel_files.reader import WheelFile, check_wheel, tag_of

_INSTALLER: Final = "uv"
_MAX_REMARKS: Final = 5
_MAX_COMPANIONS: Final = 5
_MODULE: Final = re.compile(r"[A-Za-z_]\w{0,99}", re.ASCII)
_REMARK_LENGTH: Final = 300


async def verify(job: Job, tools: Tools) -> Job:
    """Install the wheel on the order's target, import its modules, run its recipe's tests, and return it as proven."""
    repaired, order = known(job.repaired), job.claim.order
    file = await asyncio.to_thread(check_wheel, repaired.path, order)
    companions = await _resolve_requirements(job, tools, file)
    recipe = order.recipe
    python, image = python_path(order.target.python), known(known(job.images).runtime)
    async with open_job(job, tools, stage=Stage.VERIFY, image=image, python=python) as conversation:
        await conversation.send_file(await _installer(job, tools), name=_INSTALLER)
        for companion in companions:
            await conversation.send_file(await tools.source.fetch(companion), name=companion.filename)
        await conversation.send_file(repaired.path)
        await conversation.send(
            "verify",
            wheel=repaired.path.name,
            project=order.project,
            installer=_INSTALLER,
            imports=list(recipe.test_imports),
            expect_extensions=list(recipe.expected_extensions),
            lost=list(repaired.doubtful),
            commands=list(recipe.test_commands),
            requires=list(recipe.test_requires),
            files=[asdict(one) for one in recipe.test_files],
            names_packages=bool(recipe.test_apt) and not repaired.is_pure,
        )
        companions_of = _Companions(job, tools, sent=[one.filename for one in companions])
        report = await expect_report(conversation, job, tools, stage=Stage.VERIFY, supply=companions_of.answer)
        heard = await note_network(conversation, report, job, Stage.VERIFY)
        try:
            warnings = (*repaired.warnings, *await _note_remarks(job, report), *heard)
            told = _tell_of_threads(job, read_threading(report.fields), wheel=repaired.path.name)
            wheel = _describe(job, replace(repaired, warnings=(*warnings, *told)), file, report)
            packages = read_packages(report.fields)
        except ValueError as error:
            raise conversation.refuse(str(error)) from error
    missing = read_sonames(report.fields, "missing_libraries")
    host_libraries = await find_host_libraries(job, tools, missing=missing, packages=packages)
    return job.knowing(wheel=replace(wheel, host_libraries=host_libraries))


def _tell_of_threads(job: Job, modules: Sequence[ThreadingProof], *, wheel: str) -> tuple[str, ...]:
    """Return warnings about modules that a free-threaded Python cannot use as it should; raise VerifyFailedError.

    Most of them come from projects that have not declared yet that they can do without the GIL, so only a recipe that
    expects it makes that an error.
    """
    order = job.claim.order
    python = f"Python {order.target.python}"
    switching = [one.module for one in modules if not one.gil_off]
    if switching and order.recipe.expected_gil == "off":
        problem = f'{_listed(switching)} switches the GIL of {python} on, and the recipe says expect.gil = "off"'
        raise VerifyFailedError(wheel=wheel, problems=[problem])
    crashing = [one.module for one in modules if one.survives_threads is False]
    return tuple(
        sentence
        for sentence, names in (
            (f"Importing {_listed(switching)} switches the GIL of {python} on.", switching),
            (f"{_listed(crashing)} crashed {python} when eight threads called it at once.", crashing),
        )
        if names
    )


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MAX_REMARKS
    return ", ".join(names[:_MAX_REMARKS]) + (f" and {more} more" if more > 0 else "")


class _Companions:
    """The projects that a wheel's modules want and that it does not require, such as a plugin's parent.

    A project could as well require them, so it gains nothing by asking.
    """

    def __init__(self, job: Job, tools: Tools, *, sent: Sequence[str]) -> None:
        self._job = job
        self._tools = tools
        self._sent = set(sent)
        self._has_asked = False

    async def answer(self, conversation: Conversation, message: Message) -> None:
        """Send the wheels of the projects with the names of modules, once."""
        try:
            modules = message.texts("modules")
        except ValueError as error:
            raise conversation.refuse(str(error)) from error
        if self._has_asked or len(modules) > _MAX_COMPANIONS or not all(map(_MODULE.fullmatch, modules)):
            raise conversation.refuse("it asks for modules in a way that it may not")
        self._has_asked = True
        order = self._job.claim.order
        named = filter(None, map(project_of, modules))
        names = dict.fromkeys(text if "<" in text else canonicalize_name(text) for text in named)
        found = [name for name in names if name != order.project and await self._send(conversation, name)]
        await conversation.send("supply", requirements=found)

    async def _send(self, conversation: Conversation, name: str) -> bool:
        """Send a project's wheel and what it requires; return False if there is none for the target."""
        target, project = self._job.claim.order.target, self._job.claim.order.project
        try:
            files = await self._tools.resolver.resolve([name], target=target)
        except (BuildRequirementsError, WheelsMissingError) as error:
            await self._job.note(f"{name}, which a module wants, cannot be installed beside the wheel: {error}")
            return False
        for file in files:
            if file.filename not in self._sent and read_wheel_name(file.filename)[0] != project:
                self._sent.add(file.filename)
                await conversation.send_file(await self._tools.source.fetch(file), name=file.filename)
        await self._job.note(f"{name} is installed beside the wheel, because a module wants it")
        return True


async def _note_remarks(job: Job, report: Message) -> tuple[str, ...]:
    """Log what was exempted; return it as warnings, whose words may come from untrusted code."""
    remarks = report.texts("remarks")
    lines = ["".join(one if one.isprintable() else "?" for one in text)[:_REMARK_LENGTH] for text in remarks]
    if len(lines) > _MAX_REMARKS:
        lines = [*lines[:_MAX_REMARKS], f"There are {len(lines) - _MAX_REMARKS} more such modules, see the log."]
    for line in lines:
        await job.note(f"warning: {line}")
    return tuple(lines)


async def _installer(job: Job, tools: Tools) -> Path:
    """Return the uv program that runs in the order's runtime image."""
    order = job.claim.order
    if not is_emulated(order, tools):
        return tools.installer
    architecture = order.target.policy.architecture
    return await tools.images.installer(suite=order.builder, architecture=architecture, log=job.log)


async def _resolve_requirements(job: Job, tools: Tools, file: WheelFile) -> tuple[IndexFile, ...]:
    """Return the wheels that the wheel requires at run time, without extras, and that its tests require."""
    order, wheel = job.claim.order, known(job.repaired).path.name
    try:
        runtime = await tools.parsers.run(
            _runtime_requirements, file.requires_dist, order.target, what="its Requires-Dist", caller=order.project
        )
    except ValueError as error:
        raise RequirementsUnsatisfiedError(wheel=wheel, reason=f"its metadata is invalid ({error})") from error
    wanted = [*runtime, *order.recipe.test_requires]
    try:
        files = await tools.resolver.resolve(wanted, target=job.claim.order.target)
    except BuildRequirementsError as error:
        raise RequirementsUnsatisfiedError(wheel=known(job.repaired).path.name, reason=error.reason) from error
    except WheelsMissingError as error:
        raise _without_itself(error, job) from error
    return tuple(found for found in files if read_wheel_name(found.filename)[0] != job.claim.order.project)


def _without_itself(error: WheelsMissingError, job: Job) -> WheelyardError:
    """Return the error without the project itself, whose wheel this is: its dependencies may depend on it."""
    project = job.claim.order.project
    others = [release for release in error.releases if release[0] != project]
    if others:
        return WheelsMissingError(releases=others, target=error.target)
    reason = f"something that it requires requires {project} too, of which there is no other wheel"
    return RequirementsUnsatisfiedError(wheel=known(job.repaired).path.name, reason=reason)


def _runtime_requirements(requires_dist: Sequence[str], target: Target) -> list[str]:
    """Return the requirements that apply on a target without extras; raise ValueError."""
    environment = {**target.marker_environment(), "extra": ""}
    requirements = [read_requirement(text) for text in requires_dist]
    try:
        return [str(item) for item in requirements if item.marker is None or item.marker.evaluate(environment)]
    except UndefinedEnvironmentName as error:  # a KeyError
        raise RefusedTextError(f"a marker names {error}") from error


def _describe(job: Job, repaired: RepairedWheel, file: WheelFile, report: Message) -> Wheel:
    built, images = known(job.built), known(job.images)
    return Wheel(
        filename=repaired.path.name,
        sha256=file.sha256,
        size_bytes=file.size_bytes,
        tag=tag_of(repaired.path),
        tag_before_repair=tag_of(built.path),
        policy=repaired.policy,
        is_pure=repaired.is_pure,
        extensions=repaired.extensions,
        grafted=repaired.grafted,
        policy_reason=repaired.policy_reason,
        warnings=repaired.warnings,
        build_requirements=built.requirements,
        imported_modules=report.texts("imported"),
        builder_image=images.builder,
        runtime_image=known(images.runtime),
        proofs=(
            Proof(
                suite=job.claim.order.builder,
                python=job.claim.order.target.python,
                platform=job.claim.order.target.platform,
                imported_modules=report.texts("imported"),
                runtime_image=known(images.runtime),
                threading=read_threading(report.fields),
            ),
        ),
        changes=repaired.changes,
        components=repaired.components,
        source_packages=repaired.source_packages,
        sbom=repaired.sbom,
    )
