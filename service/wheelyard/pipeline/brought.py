"""The stages of a wheel that others built: take it, repair it where that is needed, prove it on all that it claims.

Resolve and publish are those of every build; ``pipeline/steps.py`` decides which stages these replace.
"""

import asyncio
import calendar
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from packaging.utils import canonicalize_name

from wheelyard.domain.builds.build import GraftedLibrary, Stage, Wheel
from wheelyard.domain.builds.expectations import ExtensionSource
from wheelyard.domain.builds.key import build_tag
from wheelyard.domain.catalogue.brought import builders_served, oldest_claim, reachable_of
from wheelyard.domain.catalogue.catalogue import BuilderChoice
from wheelyard.domain.catalogue.reach import Reach
from wheelyard.domain.healing.findings import FindingKind
from wheelyard.domain.healing.wheel_claims import invalid_wheel
from wheelyard.domain.packaging.pythons import oldest_allowed
from wheelyard.domain.packaging.target import Target, python_version
from wheelyard.domain.recipes.system_packages import packages_for
from wheelyard.errors import (
    BuildTimeoutError,
    DiskLimitError,
    DownloadFailedError,
    HashMismatchError,
    InvalidWheelError,
    OpenFilesLimitError,
    OutOfMemoryError,
    OutputLimitError,
    ProcessLimitError,
    ProjectError,
    RepairFailedError,
    UntrustedOutputError,
    WheelClaimsFalseError,
    WheelsMissingError,
)
from wheelyard.pipeline.build import MAX_EPOCH, new_version
from wheelyard.pipeline.container_job import TOOLS_PYTHON, expect_report, open_job, received_wheel
from wheelyard.pipeline.conversation import Conversation, Message
from wheelyard.pipeline.job import BuiltWheel, Job, PreparedImages, RepairedWheel, Tools, granted_limits, known
from wheelyard.pipeline.limits import GrantedLimits
from wheelyard.pipeline.prepare import builder_of, source_of
from wheelyard.pipeline.repair import accept, check, check_tagged, oldest_python, read_report, send_linked
from wheelyard.pipeline.verify import verify
from wheelyard.pipeline.wheel_report import BroughtChanges, RepairReport, SearchPath, read_changes, read_sources
from wheelyard.wheel_files.reader import RefusedWheelError, WheelFile, check_wheel, tag_of
from wheelyard.zip_files import open_zip

T = TypeVar("T")
_OLDEST_EPOCH: Final = 315532800
"""The beginning of 1980, the oldest time that a zip file can hold."""
_SHOWN_PATHS: Final = 10
_LIMIT_ERRORS: Final = (
    BuildTimeoutError,
    DiskLimitError,
    OpenFilesLimitError,
    OutOfMemoryError,
    OutputLimitError,
    ProcessLimitError,
    UntrustedOutputError,
)
"""What ends the proof at once: a wheel that hangs on one target hangs on each of them, for the whole time limit."""


async def fetch_wheel(job: Job, tools: Tools) -> Job:
    """Fetch the wheel by its hash, and the sdist of its release if that was brought too."""
    return job.knowing(
        brought=await tools.source.fetch(source_of(job.claim.order)), sdist=await _sdist_beside(job, tools)
    )


async def _sdist_beside(job: Job, tools: Tools) -> Path | None:
    """Return the sdist that shows which extension modules the wheel should have; None if there is none at hand."""
    order = job.claim.order
    sdists = await tools.sdists_of(canonicalize_name(order.project))
    file = next((one for one in sdists if str(one.version) == order.version), None)
    if file is None:
        return None
    try:
        path = await tools.source.fetch(file)
    except (DownloadFailedError, HashMismatchError) as error:
        await job.note(f"The wheel is not compared with {file.filename}: {error}")
        return None
    await job.note(f"compared with {file.filename}, which was uploaded too")
    return path


async def prepare_repair(job: Job, tools: Tools) -> Job:
    """Find or make the builder, without the recipe's system packages: a wheel that is right needs none of them.

    The runtime images are found once the repaired wheel says on which targets it is proven.
    """
    order = job.claim.order
    builder = await tools.images.builder(
        suite=order.builder,
        python=order.target.python,
        architecture=order.target.policy.architecture,
        apt=(),
        toolchains=(),
        log=job.log,
    )
    await job.note(f"builder image {builder}")
    return job.knowing(images=PreparedImages(builder=builder, runtime=None))


async def take_wheel(job: Job, tools: Tools) -> Job:
    """Take the wheel as what a build would have made, if all its parts agree.

    Raises:
        InvalidWheelError: it is no wheel that installers could take.
    """
    del tools
    path = known(job.brought)
    await job.note("nothing is built: its name, metadata, record and archive are compared with each other")
    try:
        # Of a file at an address, the version is changed when it is repaired.
        origin = job.claim.order.sdist.file
        stated = job.claim.order if origin is None else replace(job.claim.order, version=origin.version)
        await asyncio.to_thread(check_wheel, path, stated)
        epoch = await asyncio.to_thread(_newest_time, path)
    except RefusedWheelError as error:
        raise invalid_wheel(path.name, str(error), error.kind) from error
    except ValueError as error:
        raise InvalidWheelError(file=path.name, reason=str(error)) from error
    return job.knowing(built=BuiltWheel(path=path, epoch=epoch, requirements=()))


def _newest_time(wheel: Path) -> int:
    """Return the newest time in a wheel, in seconds since 1970; invalid ones count as the beginning of 1980. Blocks."""
    newest = _OLDEST_EPOCH
    with open_zip(wheel) as bundle:
        for member in bundle.infolist():
            with suppress(ValueError, OverflowError):
                newest = max(newest, calendar.timegm((*member.date_time, 0, 0, 0)))
    return min(newest, MAX_EPOCH)


async def repair_brought(job: Job, tools: Tools) -> Job:
    """Audit the wheel, and change only what is not right; a wheel that complies stays byte for byte what it was.

    Raises:
        WheelClaimsFalseError: its tags claim what its native files cannot do, or it lacks a library.
        RepairFailedError: it cannot be made to comply with any policy.
        ExtensionMissingError, GraftRefusedError, PolicyFloorError: it is not what its project's recipe promises.
        LicenseDeniedError: it was given something with a license that its recipe or the operator denies.
    """
    built = known(job.built)
    path, file, report, changes, sources = await _repair_where_needed(job, tools)
    suggested = job.knowing(built=replace(built, sources=sources))
    repaired = await accept(suggested, tools, report, path, file)
    said = tuple(_describe_changes(built.path, repaired, report, changes)) if changes.is_changed else ()
    if (version := new_version(job.claim.order)) is not None:
        said = (f"Its version was {version['made']}, and is {version['version']}, which replaces no release.", *said)
    for sentence in said or ("It is right as it is: nothing was changed.",):
        await job.note(sentence)
    return job.knowing(repaired=replace(repaired, changes=said))


class _Repair(NamedTuple):
    """What a repair container made of a wheel, checked."""

    path: Path
    file: WheelFile
    report: RepairReport
    changes: BroughtChanges
    sources: tuple[ExtensionSource, ...]
    """The extension modules that the sdist of its release suggests; none without that sdist."""


async def _repair_where_needed(job: Job, tools: Tools) -> _Repair:
    """Repair in the plain builder, and again in one with the recipe's packages if there is anything to repair."""
    order, images = job.claim.order, known(job.images)
    packages = packages_for(order.recipe, manager=tools.images.package_manager(order.builder), suite=order.builder)
    try:
        done = await _repair_in(images.builder, job, tools)
        if not done.changes.is_changed or not packages:
            return done
    except RepairFailedError:
        if not packages:
            raise
    except WheelClaimsFalseError as error:
        if not packages or not any(lie.kind == FindingKind.LIBRARY_NOT_PROMISED for lie in error.lies):
            raise
    await job.note(f"it is to be changed, so the recipe's packages are needed: {', '.join(packages)}")
    return await _repair_in(await builder_of(job, tools), job, tools)


async def _repair_in(image: str, job: Job, tools: Tools) -> _Repair:
    built, order = known(job.built), job.claim.order
    tag = build_tag(tools.build_number, suite=order.builder)
    async with open_job(job, tools, stage=Stage.REPAIR, image=image, python=TOOLS_PYTHON) as conversation:
        await conversation.send_file(built.path)
        if job.sdist is not None:
            await conversation.send_file(job.sdist)
        await conversation.send(
            "repair",
            brought=True,
            wheel=built.path.name,
            sdist=job.sdist.name if job.sdist is not None else None,
            python_version=python_version(order.target.python),
            platform=order.target.platform,
            build_tag=tag,
            relabel=new_version(order),
            epoch=built.epoch,
            extensions=list(order.recipe.expected_extensions),
            may_be_pure=order.recipe.is_pure is True,
            exclude=list(order.recipe.excluded_libraries),
            graft=list(order.recipe.grafted_beyond_policy),
            linked=await send_linked(conversation, job),
        )
        message = await expect_report(conversation, job, tools, stage=Stage.REPAIR)
        changes = _read_parts(conversation, read_changes, message)
        if changes.is_changed:
            path = received_wheel(conversation, message)
            file = await check_tagged(conversation, path, job, tag)
        else:
            path = built.path
            file = await check(conversation, path, job)
        sources = _read_parts(conversation, read_sources, message) if job.sdist is not None else ()
        return _Repair(path, file, _read_report(conversation, job, message, file), changes, sources)


def _read_parts(conversation: Conversation, read: Callable[[Mapping[str, Any]], T], message: Message) -> T:
    try:
        return read(message.fields)
    except ValueError as error:
        raise conversation.refuse(f"its report cannot be read ({error})") from error


def _read_report(conversation: Conversation, job: Job, message: Message, file: WheelFile) -> RepairReport:
    """Parse the report; the wheel must comply with the oldest policy that its own tags name."""
    claim = oldest_claim(file.tags)
    if claim is None and any(tag.platform != "any" for tag in file.tags):
        raise conversation.refuse(f"{file.filename} names no manylinux policy")
    return read_report(conversation, message, file, within=claim or job.claim.order.target.policy)


def _describe_changes(
    before: Path, repaired: RepairedWheel, report: RepairReport, changes: BroughtChanges
) -> Iterator[str]:
    """Yield a sentence for each thing that repair changed."""
    yield from (f"Corrected: {lie.subject}: {lie.detail} ({lie.kind})." for lie in changes.mended[:_SHOWN_PATHS])
    old, new = tag_of(before), tag_of(repaired.path)
    if old != new:
        reason = f": {report.policy_reason.sentence}" if report.policy_reason else "."
        yield f"Its tag was {old}, and is {new}{reason}"
    yield from map(_describe_graft, repaired.grafted)
    yield from map(_describe_path, changes.search_paths[:_SHOWN_PATHS])
    if (more := len(changes.search_paths) - _SHOWN_PATHS) > 0:
        yield f"The search paths (RPATH) of {more} more files were set in the same way."
    for library in changes.dropped_libraries:
        yield f"It links to {library} no more."
    if old == new and not repaired.grafted and not changes.search_paths:
        yield "It was written anew, with a build tag."


def _describe_graft(library: GraftedLibrary) -> str:
    if library.package is None:
        return f"{library.soname} was put into it, from no system package."
    return f"{library.soname} was put into it, from {library.package} {library.package_version or ''}".rstrip() + "."


def _describe_path(path: SearchPath) -> str:
    was = f"was {path.before}" if path.before else "was empty"
    return f"The search path (RPATH) of {path.file} {was}, and is {path.after or 'empty'}."


async def prove_everywhere(job: Job, tools: Tools) -> Job:
    """Verify the wheel on every target of the catalogue that its tags claim, on this order's architecture.

    All proofs together have the time limit of one stage, without the time in which images are made.

    Raises:
        NoTargetFitsError: its tags claim none; repair may have corrected them.
        SourceUnreachableError: No Python that its tags claim can be made here.
        ProjectError: what ``verify`` raises first, with all targets that it fails on, or the limit that it reaches.
    """
    repaired, order = known(job.repaired), job.claim.order
    file = await asyncio.to_thread(check_wheel, repaired.path, order)
    machine = order.target.policy.architecture
    here = [one for one in tools.builders if one.policy.architecture == machine]
    claimed, reach = builders_served(here, repaired.path.name, file.core.get("requires_python")), tools.reach()
    served = reachable_of(claimed, reach)
    await job.note(f"it is proven on {', '.join(f'{one.suite} with Python {one.python}' for one in served)}")
    wheels: list[Wheel] = []
    failures: list[tuple[str, ProjectError]] = []
    results: list[tuple[str, str]] = []
    time_limit = _TimeLimit(granted_limits(order, tools), Stage.VERIFY)
    for builder in served:
        place = f"{builder.suite} with Python {builder.python}"
        await job.note(f"proof on {place}")
        try:
            there = await _on(builder, job, tools)
            async with time_limit.running():
                proven = await verify(there, tools)
        except (WheelsMissingError, *_LIMIT_ERRORS) as error:
            # A missing wheel is no fault of this one: it is proven again when there are others.
            error.add_place(place)
            raise
        except ProjectError as error:
            await job.note(f"it fails on {place}: {error.summary}")
            failures.append((place, error))
            results.append((place, error.summary))
        else:
            wheels.append(known(proven.wheel))
            results.append((place, ""))
    if failures:
        raise _join_failures(failures, results)
    wheel = _combine(wheels)
    warnings = [*_warn_of_floor(file), *_warn_of_untried(file, served), *_warn_of_unreachable(claimed, reach)]
    return job.knowing(wheel=replace(wheel, warnings=(*wheel.warnings, *warnings)))


class _TimeLimit:
    """The time limit of a stage that has several parts."""

    def __init__(self, granted: GrantedLimits, stage: Stage) -> None:
        self._granted = granted
        self._stage = stage
        self._used_seconds = 0.0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Count the time of a block; raise BuildTimeoutError once all blocks together have taken too long."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        # The first part has the stage's own limit. A second one at the same moment would cancel the removal of the
        # container, which the first one has begun.
        remaining = self._granted.limits.time_seconds - self._used_seconds if self._used_seconds else None
        try:
            async with asyncio.timeout(remaining):
                yield
        except TimeoutError as error:
            raise self._granted.timed_out(self._stage, self._used_seconds + loop.time() - begun) from error
        finally:
            self._used_seconds += loop.time() - begun


def _join_failures(failures: Sequence[tuple[str, ProjectError]], results: Sequence[tuple[str, str]]) -> ProjectError:
    """Return the first failure, with the place of it and of the others, and how each proof ended."""
    (place, first), *others = failures
    first.proofs = tuple(results)
    first.add_place(place)
    first.add_others([(place, error.summary) for place, error in others])
    return first


def _warn_of_floor(file: WheelFile) -> Iterator[str]:
    """Yield a warning if Requires-Python hides a wheel from the oldest Pythons of its stable ABI's tag.

    Installers obey both, so it does no harm; but either of the two is not what the project meant.
    """
    oldest, allowed = oldest_python(file), oldest_allowed(file.core.get("requires_python"))
    if oldest is not None and allowed is not None and oldest < allowed:
        claims = f"Its tag says Python {oldest[0]}.{oldest[1]} and newer"
        yield f"{claims}, and its Requires-Python {allowed[0]}.{allowed[1]} (requires-python-mismatch)."


def _warn_of_untried(file: WheelFile, served: Sequence[BuilderChoice]) -> Iterator[str]:
    """Yield a warning if a stable ABI's tag names an older Python than those that the wheel was tried on."""
    oldest = oldest_python(file)
    tried = {Target(python=one.python, policy=one.policy).version_info: one.python for one in served}
    if oldest is not None and oldest < min(tried):
        pythons = " and ".join(tried[version] for version in sorted(tried))
        yield f"Its tag says Python {oldest[0]}.{oldest[1]} and newer; it was tried on {pythons} alone."


def _warn_of_unreachable(claimed: Sequence[BuilderChoice], reach: Reach) -> Iterator[str]:
    """Yield a warning if a wheel is for Pythons on which it could not be tried."""
    lacking: dict[str, list[BuilderChoice]] = {}
    for builder in claimed:
        if not reach.has(builder):
            lacking.setdefault(builder.python, []).append(builder)
    if lacking:
        places = "; ".join(
            f"Python {python} on {', '.join(one.suite for one in builders)}: {_last_try(reach, builders[0])}"
            for python, builders in lacking.items()
        )
        yield f"Its tags are also for Pythons whose source cannot be reached (source-unreachable), not tried: {places}."


def _last_try(reach: Reach, builder: BuilderChoice) -> str:
    found = reach.of_builder(builder)
    return str(found.tried[-1]) if found is not None and found.tried else "no address"


async def _on(builder: BuilderChoice, job: Job, tools: Tools) -> Job:
    """Return the job as if its order were for another target, with the runtime image of that."""
    order = job.claim.order
    packages = dict(order.recipe.test_apt_on).get(f"{builder.suite} {builder.python}", order.recipe.test_apt)
    order = replace(
        order,
        target=Target(python=builder.python, policy=builder.policy),
        builder=builder.suite,
        recipe=replace(order.recipe, test_apt=packages, test_apt_on=()),
    )
    runtime = await tools.images.runtime(
        suite=builder.suite,
        python=builder.python,
        architecture=builder.policy.architecture,
        apt=packages,
        log=job.log,
    )
    return job.knowing(claim=replace(job.claim, order=order), images=replace(known(job.images), runtime=runtime))


def _combine(wheels: Sequence[Wheel]) -> Wheel:
    """Return the wheel with the proofs of all targets; its modules are those that could be imported on each."""
    first = wheels[0]
    common = frozenset(first.imported_modules).intersection(*(one.imported_modules for one in wheels))
    return replace(
        first,
        imported_modules=tuple(name for name in first.imported_modules if name in common),
        warnings=_union(one.warnings for one in wheels),
        host_libraries=_union(one.host_libraries for one in wheels),
        proofs=tuple(proof for one in wheels for proof in one.proofs),
    )


def _union(parts: Iterable[tuple[T, ...]]) -> tuple[T, ...]:
    """Return all different values, in order."""
    return tuple(dict.fromkeys(value for part in parts for value in part))
