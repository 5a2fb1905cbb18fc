"""Stage repair: audit the wheel and make it comply with the target's policy, in a new container.

The container of the build stage is gone, so the project's code cannot have modified these tools.
"""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from wheelyard.domain.builds.build import Stage
from wheelyard.domain.builds.components import Component, SourcePackage, source_names
from wheelyard.domain.builds.expectations import (
    Degradation,
    Expectation,
    NativeContent,
    find_doubt,
    find_lost,
    graft_problems,
    judge_doubt,
    misses_floor,
)
from wheelyard.domain.builds.key import build_tag
from wheelyard.domain.builds.licenses import license_problems
from wheelyard.domain.packaging.coverage import STABLE_ABIS
from wheelyard.domain.packaging.target import Policy
from wheelyard.errors import (
    ExtensionMissingError,
    GraftRefusedError,
    LicenseDeniedError,
    NotFoundError,
    OperatorError,
    PolicyFloorError,
    WheelLie,
)
from wheelyard.pipeline.build import CRATE_TEXTS
from wheelyard.pipeline.container_job import TOOLS_PYTHON, expect_report, open_job, received_wheel
from wheelyard.pipeline.conversation import Conversation, Message
from wheelyard.pipeline.job import Job, RepairedWheel, Tools, known
from wheelyard.pipeline.upstream_evidence import find_upstream
from wheelyard.pipeline.wheel_report import RepairReport, read_repair_report
from wheelyard.wheel_files.members import shown
from wheelyard.wheel_files.reader import RefusedWheelError, WheelFile, check_wheel

_HAD_NETWORK: Final = "It was built with a network, so not all that went into it is known by its hash."
_MAX_NAMED: Final = 5
_STABLE_ABI: Final = re.compile(r"cp([0-9])([0-9]+)")


async def repair(job: Job, tools: Tools) -> Job:
    """Repair the wheel; a pure one gets a build tag and is not changed otherwise.

    auditwheel refuses pure wheels (https://github.com/pypa/auditwheel/issues/47).

    Raises:
        ExtensionMissingError: it lacks extension modules that its sdist, or its recipe, promises.
        WheelClaimsFalseError: its tags, or the names of its files, claim what is not so.
        GraftRefusedError: it contains libraries that its recipe forbids.
        LicenseDeniedError: it contains something with a license that its recipe or the operator denies.
        PolicyFloorError: it needs a newer glibc than its recipe promises.
    """
    built, image = known(job.built), known(job.images).builder
    tag = build_tag(tools.build_number, suite=job.claim.order.builder)
    async with open_job(job, tools, stage=Stage.REPAIR, image=image, python=TOOLS_PYTHON) as conversation:
        await check(conversation, built.path, job)
        await conversation.send_file(built.path)
        await conversation.send(
            "repair",
            wheel=built.path.name,
            platform=job.claim.order.target.platform,
            build_tag=tag,
            epoch=built.epoch,
            extensions=_names_of_extensions(job),
            may_be_pure=job.claim.order.recipe.is_pure is True,
            exclude=list(job.claim.order.recipe.excluded_libraries),
            graft=list(job.claim.order.recipe.grafted_beyond_policy),
            linked=await send_linked(conversation, job),
        )
        message = await expect_report(conversation, job, tools, stage=Stage.REPAIR)
        path = received_wheel(conversation, message)
        file = await check_tagged(conversation, path, job, tag)
        report = read_report(conversation, message, file, within=job.claim.order.target.policy)
    repaired = await accept(job, tools, report, path, file)
    warnings = (*repaired.warnings, *await _warn_of_older_pythons(job, file))
    return job.knowing(repaired=replace(repaired, warnings=warnings))


async def send_linked(conversation: Conversation, job: Job) -> dict[str, object]:
    """Send the license texts of crates, and return what the build linked statically."""
    built = known(job.built)
    if built.crate_texts is not None:
        await conversation.send_file(built.crate_texts, name=CRATE_TEXTS)
    return {**built.linked, "texts": CRATE_TEXTS if built.crate_texts is not None else None}


def _names_of_extensions(job: Job) -> list[str]:
    """Return the names of the extension modules that the wheel should have, for a wheel that has none."""
    recipe, built = job.claim.order.recipe, known(job.built)
    certain = [*(one.name for one in built.tried), *(one.name for one in built.sources if one.name and one.certain)]
    named = [name for name in certain if name not in recipe.absent_extensions]
    return list(dict.fromkeys([*recipe.expected_extensions, *named]))


async def accept(job: Job, tools: Tools, report: RepairReport, path: Path, file: WheelFile) -> RepairedWheel:
    """Accept the wheel, unless it lost extension modules; a doubt becomes a warning."""
    found = await _check_extensions(job, tools, report.native)
    warnings = found.warnings
    if job.claim.order.recipe.network:
        warnings = (*warnings, _HAD_NETWORK)
    _check_rules(job, tools, report)
    return RepairedWheel(
        path=path,
        sha256=file.sha256,
        is_pure=report.is_pure,
        policy=report.policy,
        extensions=report.native.extensions,
        doubtful=found.doubtful,
        grafted=report.grafted,
        policy_reason=report.policy_reason,
        components=report.components,
        source_packages=await find_source_packages(job, tools, report.components),
        sbom=report.sbom,
        warnings=(
            *known(job.built).warnings,
            *warnings,
            *await _warn_of_lies(job, report),
            *await _warn_of_startup(job, file),
        ),
    )


async def find_source_packages(job: Job, tools: Tools, components: Sequence[Component]) -> tuple[SourcePackage, ...]:
    """Return the source packages of components with their files, as the archive's signed index has them today.

    A version that the index does not have stays without files, and so does every one if the archive cannot be read: a
    wheel does not fail for that. What is missing is looked up again when somebody asks for it.
    """
    order = job.claim.order
    packages = [SourcePackage(name=name, version=version) for name, version in source_names(components)]
    found: list[SourcePackage] = []
    for package in packages:
        try:
            there = await tools.archives.source(order.builder, order.target.policy.architecture, package)
        except (OperatorError, NotFoundError) as error:
            await job.note(f"where the sources of {order.builder} are is not known: {error.summary}")
            return tuple(packages)
        if there is None:
            await job.note(f"the archive of {order.builder} does not have the source {package.name} {package.version}")
        found.append(there or package)
    return tuple(found)


async def _warn_of_lies(job: Job, report: RepairReport) -> tuple[str, ...]:
    """Warn of claims that repair corrected, and of what only suggests that a claim is false."""
    warnings = [f"{lie.subject}: {lie.detail} ({lie.kind})." for lie in report.lies[:_MAX_NAMED]]
    if more := len(report.lies) - _MAX_NAMED:
        warnings += [f"{more} more claims of it are doubtful, see the log."] if more > 0 else []
    for lie in report.lies:
        await job.note(f"warning: {lie.subject}: {lie.detail} ({lie.kind})")
    return tuple(warnings)


async def _warn_of_older_pythons(job: Job, file: WheelFile) -> tuple[str, ...]:
    """Warn that a stable ABI's tag is the project's claim: the wheel was not tried on the oldest Python that it names.

    auditwheel does not check the tag (https://github.com/pypa/auditwheel/issues/395).
    """
    target = job.claim.order.target
    oldest = oldest_python(file)
    if oldest is None or oldest >= target.version_info:
        return ()
    claim = ".".join(map(str, oldest))
    warning = f"Its tag says Python {claim} and newer; it was compiled with and tried on {target.python} alone."
    await job.note(f"warning: {warning}")
    return (warning,)


def oldest_python(file: WheelFile) -> tuple[int, int] | None:
    """Return the oldest Python that a stable ABI's tags name; None if there are none."""
    floors = (_STABLE_ABI.fullmatch(tag.interpreter) for tag in file.tags if tag.abi in STABLE_ABIS)
    return min(((int(match[1]), int(match[2])) for match in floors if match), default=None)


async def _warn_of_startup(job: Job, file: WheelFile) -> tuple[str, ...]:
    """Warn of what few users expect of an installed wheel: that its code runs without being imported."""
    files = file.startup.files
    warnings = [one.warning for one in files[:_MAX_NAMED]]
    if more := files[_MAX_NAMED:]:
        names = ", ".join(shown(one.name) for one in more[:_MAX_NAMED])
        warnings.append(f"Python runs {len(more)} more files of it at each of its starts, such as {names}.")
    for warning in warnings:
        await job.note(f"warning: {warning}")
    return tuple(warnings)


async def _check_extensions(job: Job, tools: Tools, native: NativeContent) -> Degradation:
    """Return the doubts that remain; raise ExtensionMissingError for what evidence shows to be lost."""
    order, built = job.claim.order, known(job.built)
    expectation = Expectation(
        present=order.recipe.expected_extensions,
        absent=order.recipe.absent_extensions,
        may_be_pure=order.recipe.is_pure is True,
    )
    found = find_lost(native, expectation)
    doubt = find_doubt(built.sources, native, expectation, built.tried)
    if not found.missing and doubt:
        found = judge_doubt(doubt, expectation, await find_upstream(job, tools, doubt))
    if found.missing:
        raise ExtensionMissingError(
            wheel=f"{order.project} {order.version}", missing=found.missing, evidence=found.evidence
        )
    for warning in found.warnings:
        await job.note(f"warning: {warning}")
    return found


def _check_rules(job: Job, tools: Tools, report: RepairReport) -> None:
    """Check the result of the repair against what its recipe and the operator allow."""
    order = job.claim.order
    wheel = f"{order.project} {order.version}"
    if problems := list(graft_problems(order.recipe, report.grafted)):
        raise GraftRefusedError(wheel=wheel, problems=problems)
    denied = [
        *license_problems(report.components, order.recipe.denied_licenses, rule="repair.deny-licenses of its recipe"),
        *license_problems(report.components, tools.denied_licenses, rule="the operator's WHEELYARD_DENY_LICENSES"),
    ]
    if denied:
        raise LicenseDeniedError(wheel=wheel, problems=denied)
    if misses_floor(order.recipe, report.policy):
        reason = report.policy_reason.sentence.rstrip(".") if report.policy_reason else ""
        floor = str(order.recipe.policy_floor)
        raise PolicyFloorError(wheel=wheel, policy=str(report.policy), floor=floor, reason=reason)


async def check_tagged(conversation: Conversation, path: Path, job: Job, tag: str) -> WheelFile:
    """Return what a repaired wheel is, after checking that it has our build tag; raise UntrustedOutputError."""
    file = await check(conversation, path, job)
    if "".join(map(str, file.build_tag)) != tag:
        raise conversation.refuse(f"{path.name} does not have the build tag {tag}")
    return file


async def check(conversation: Conversation, path: Path, job: Job) -> WheelFile:
    """Return what a wheel is, after checking its parts against each other and the order; raise UntrustedOutputError."""
    try:
        return await asyncio.to_thread(check_wheel, path, job.claim.order)
    except RefusedWheelError as error:
        lie = WheelLie(kind=error.kind, subject=path.name, detail=str(error))
        raise conversation.refuse(str(error), lies=[lie]) from error


def read_report(conversation: Conversation, message: Message, file: WheelFile, *, within: Policy) -> RepairReport:
    """Parse the report; it must agree with the wheel's name, and its policy must serve hosts of another one."""
    try:
        report = read_repair_report(message.fields)
        _check_policy(report.policy, within)
    except ValueError as error:
        raise conversation.refuse(f"its report cannot be read ({error})") from error
    kind = "pure" if report.is_pure else "native"
    if report.is_pure != all(tag.platform == "any" for tag in file.tags):
        raise conversation.refuse(f"the wheel is {kind}, and its tag is not")
    if report.is_pure != (report.policy is None) or report.is_pure == bool(report.native.files):
        raise conversation.refuse(f"the wheel is {kind}, and its policy is {report.policy}")
    return report


def _check_policy(policy: str | None, within: Policy) -> None:
    """Refuse a policy that does not serve another one."""
    if policy is not None and not Policy.parse(policy).serves(within):
        raise ValueError(f"{policy} does not serve {within}")
