"""Heal a build: add what its sdist and its failures say that it lacks, and say what to run again.

Only the suite's signed archive, the catalogue's toolchains and the index's wheels can be added, only to the build whose
text asked for them, and only within ``HealRules``. See docs/healing.md.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any, Final

from wheelyard.domain.builds.build import BuildOrder, Stage
from wheelyard.domain.catalogue.archive_files import FileKind, WantedFile
from wheelyard.domain.healing.findings import Finding, FindingKind
from wheelyard.domain.healing.healing import Healing, HealMode, HealRound, Inference, InferenceSource
from wheelyard.domain.healing.host_libraries import judge_host_library
from wheelyard.domain.healing.inferred_recipe import OF_ONE_RELEASE, InferredFor, extend_recipe, has_value, write_recipe
from wheelyard.domain.healing.mending import Mend, mend_of
from wheelyard.domain.sdist.need import Need
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.errors import (
    BuildFailedError,
    CallerError,
    ExtensionMissingError,
    OperatorError,
    ProjectError,
    VerifyFailedError,
    WheelyardError,
)
from wheelyard.pipeline.inference import Basket, add_mend, find_packages
from wheelyard.pipeline.job import Job, Tools

_RERUNS: Final = {
    **dict.fromkeys(("apt", "dnf", "apk", "toolchains"), frozenset({Stage.PREPARE, Stage.BUILD, Stage.REPAIR})),
    **dict.fromkeys(("build-requires.add", "build-constraints", "cythonize"), frozenset({Stage.BUILD, Stage.REPAIR})),
    "repair.graft": frozenset({Stage.REPAIR}),
    "test.apt": frozenset({Stage.PREPARE}),
}
"""The stages before verification that run again once a key of the recipe has changed."""
_SOURCES: Final = frozenset({".c", ".cc", ".cpp", ".cxx", ".h", ".hh", ".hpp", ".pyx", ".pxd"})
_PROSE: Final = frozenset({FindingKind.PROJECT_REFUSES, FindingKind.COMMAND_FAILED, FindingKind.COMPILE_ERROR})
"""Findings that only a person reads: what they lack is no more than named."""
_STEM: Final = re.compile(r"(?:[-_.]?config|\.hpp|\.h|\.pc|[-_.]?[0-9.]++)++$")
_ADDRESS: Final = re.compile(r"https?://[^\s'\"<>]{1,200}")
_MOST_ADDRESSES: Final = 200
_SHORTEST_STEM: Final = 3
_MOST_OPTIONAL: Final = 12
_MOST_IN_PLACE_OF_DOWNLOADS: Final = 6
"""How many libraries an sdist may leave out, for a build that downloads to be given all of them."""
_PACKAGES: Final = frozenset({"apt", "dnf", "apk"})


async def foresee(job: Job, tools: Tools) -> Job:
    """Add what a former build of the project learnt, and what the sdist says that it requires, before the first try.

    A recipe that names system packages or toolchains is a person's word on what the project needs: then nothing is
    added here, and only failures heal.
    """
    recipe = job.claim.order.recipe
    if tools.heal.mode is HealMode.OFF or job.healing is not None:
        return job
    if recipe.apt or recipe.dnf or recipe.apk or recipe.toolchains:
        return job.knowing(healing=Healing())
    learnt = await _recall(job, tools)
    predicted, could_have = ([], ()) if learnt else await _predict(job, tools)
    added = (*learnt, *predicted)
    if tools.heal.mode is HealMode.PROPOSE or not added:
        return job.knowing(healing=Healing(could_have=could_have))
    for one in added:
        await job.note(f"added before the first try: {one.key} {one.value} ({one.reason})")
    round_ = HealRound(stage="", findings=(), added=added)
    return _with(job, Healing(rounds=(round_,), could_have=could_have), added)


async def _recall(job: Job, tools: Tools) -> list[Inference]:
    """Return what the newest healed build of the project added and used, as far as this suite and release have it."""
    order = job.claim.order
    try:
        former = await tools.learnt(order.project)
    except OperatorError as error:
        await job.note(f"what former builds learnt is not known: {error}")
        return []
    if former is None:
        return []
    version, healing = former
    manager = tools.images.package_manager(order.builder)
    kept: list[Inference] = []
    for one in healing.added:
        if one in healing.unused or (one.key in OF_ONE_RELEASE and version != order.version):
            continue
        if one.key in _PACKAGES and not (one.key == manager and await _has_package(job, tools, one.value)):
            continue
        again = replace(one, source=InferenceSource.LEARNT)
        if not has_value(order.recipe, again):
            kept.append(again)
    return kept


async def _has_package(job: Job, tools: Tools, package: str) -> bool:
    order = job.claim.order
    try:
        version = await tools.archives.version(order.builder, order.target.policy.architecture, package)
    except (CallerError, OperatorError):
        return False
    return version is not None


async def _predict(job: Job, tools: Tools) -> tuple[list[Inference], tuple[str, ...]]:
    """Return what the sdist requires, and sentences about what it could also have."""
    basket = _basket(job, tools, InferenceSource.PREDICTED)
    could_have: list[str] = []
    for need in await _clearest_first(job, tools, await _read_needs(job, tools)):
        if need.is_required and need.toolchain:
            basket.add("toolchains", need.toolchain, f"{need.name} is needed", line=need.place)
        elif need.is_required:
            await basket.add_package(need.wanted, line=need.place)
        elif not need.toolchain and len(could_have) < _MOST_OPTIONAL:
            found = await find_packages(job, tools, need.wanted)
            if found is not None:
                could_have.append(f"could also have {need.name}: {found[1][0].package}")
    return basket.added, tuple(dict.fromkeys(could_have))


async def _clearest_first(job: Job, tools: Tools, needs: Sequence[Need]) -> list[Need]:
    """Return the needs with those of the fewest packages first: they tell what is meant by the others."""
    counts: dict[Need, int] = {}
    for need in needs:
        found = await find_packages(job, tools, need.wanted) if need.is_required and need.wanted else None
        counts[need] = len(found[1]) if found else 0
    return sorted(needs, key=counts.__getitem__)


async def _read_needs(job: Job, tools: Tools) -> tuple[Need, ...]:
    """Return what the sdist says that it needs; nothing if it is not there yet, or cannot be read."""
    order = job.claim.order
    if job.sdist is None:
        return ()
    release = f"{order.project} {order.version}"
    try:
        return await tools.parsers.run(tools.read_needs, job.sdist, what=f"what {release} needs", caller=order.project)
    except (RefusedTextError, WheelyardError) as error:
        await job.note(f"what its sdist needs is not known: {error}")
        return ()


async def heal(  # noqa: PLR0913, PLR0917  (what failed, and all that it said)
    job: Job, tools: Tools, error: ProjectError, stage: Stage, findings: Sequence[Finding], log: str = ""
) -> tuple[Job, frozenset[Stage]] | None:
    """Return the job with what its failure asks for, and the stages to run again; None if nothing new would help.

    With ``HealMode.PROPOSE`` the job has the proposal, and no stage is to run again. ``log`` is what the findings were
    read from.
    """
    so_far = job.healing or Healing()
    if tools.heal.mode is HealMode.OFF or len(so_far.rounds) > tools.heal.most_rounds:
        return None
    basket = _basket(job, tools, InferenceSource.FAILURE)
    mended = tuple([one for one in findings if await _add(basket, error, one)])
    if not basket.added and isinstance(error, ExtensionMissingError):
        await _add_optional(basket, await _read_needs(job, tools))
    elif not basket.added and isinstance(error, BuildFailedError) and findings:
        needs = await _read_needs(job, tools)
        await _add_optional(basket, _named_in(findings, log, needs))
        if not basket.added and any(one.kind is FindingKind.NETWORK for one in findings):
            await _add_optional(basket, _few_optional(needs))
        if not basket.added and findings[0].kind in _PROSE and tools.heal.mode is HealMode.ON:
            await add_mend(basket, Mend(finding=findings[0], older=""), error.requirements)
    for refused in basket.refused:
        await job.note(f"not added: {refused}")
    if not basket.added:
        return None
    round_ = HealRound(stage=stage.value, findings=mended, added=tuple(basket.added))
    healing = replace(so_far, rounds=(*so_far.rounds, round_), is_proposed=tools.heal.mode is HealMode.PROPOSE)
    if healing.is_proposed:
        order = job.claim.order
        text = write_recipe(_inferred_for(order), healing.added)
        return job.knowing(healing=replace(healing, recipe=text)), frozenset()
    for one in basket.added:
        await job.note(f"{stage.value} failed, so it is tried again with {one.key} {one.value} ({one.reason})")
    again = frozenset[Stage]().union(*(_RERUNS[one.key] for one in basket.added))
    return _with(job, healing, basket.added), again | {stage}


def was_guess(job: Job, stage: Stage) -> bool:
    """Return whether a stage failed again after nothing but its build requirements went back to the day of the release.

    That was done on no evidence. If it does not help, what failed before tells more than what older ones fail with.
    """
    rounds = job.healing.rounds if job.healing else ()
    last = rounds[-1] if rounds else None
    keys = {one.key for one in last.added} if last is not None else set()
    return last is not None and last.stage == stage.value and not last.findings and keys == {"build-constraints"}


async def _add(basket: Basket, error: ProjectError, finding: Finding) -> bool:
    """Add what mends a finding of a stage; return whether that is new."""
    match error:
        case VerifyFailedError() if finding.kind is FindingKind.HOST_LIBRARY:
            return await _add_host_library(basket, finding)
        case BuildFailedError():
            mend, given = mend_of(finding), error.requirements
        case ExtensionMissingError():
            mend, given = mend_of(finding), ()
        case _:
            return False
    return mend is not None and await add_mend(basket, mend, given)


async def _add_optional(basket: Basket, needs: Iterable[Need]) -> None:
    """Add libraries that the sdist can do without: one that it did without cost it an extension, or the build."""
    for need in needs:
        if not need.is_required and need.wanted:
            await basket.add_package(need.wanted, line=need.place)


def _named_in(findings: Sequence[Finding], log: str, needs: Iterable[Need]) -> Iterator[Need]:
    """Yield the needs that a failure names in prose, or in the addresses of what it wanted to download instead.

    ``MeCab was expected`` names ``mecab.h``, and ``https://files.example/libzmq-4.3.5.tar.gz`` names ``zmq.h``.
    """
    texts = [f"{one.line} {one.cause}" for one in findings if one.kind in _PROSE]
    if any(one.kind is FindingKind.NETWORK for one in findings):
        texts += _ADDRESS.findall(log)[:_MOST_ADDRESSES]
    said = " ".join(texts).lower()
    for need in needs:
        stem = _STEM.sub("", PurePosixPath(need.name.lower()).name.removeprefix("lib"))
        if len(stem) >= _SHORTEST_STEM and re.search(rf"(?<![a-z0-9])(?:lib)?{re.escape(stem)}", said):
            yield need


def _few_optional(needs: Iterable[Need]) -> Sequence[Need]:
    """Return the libraries that an sdist can do without if they are few: one is likely what a build downloads instead.

    Addresses do not always say so: an archive may be named after a tag or a hash.
    """
    optional = [need for need in needs if not need.is_required and need.wanted]
    return optional if len(optional) <= _MOST_IN_PLACE_OF_DOWNLOADS else ()


async def _add_host_library(basket: Basket, finding: Finding) -> bool:
    """Graft a library that the bare image lacks, or have the host's own package beside the proof if two would harm.

    Nothing is grafted into a pure wheel: its Python code loads the library, by a name that may have no version.
    """
    if any(fnmatchcase(finding.name, pattern) for pattern in basket.recipe.excluded_libraries):
        return False
    job, judged = basket.job, judge_host_library(finding.name)
    if judged.may_graft and not (job.repaired is not None and job.repaired.is_pure):
        reason = f"{finding.name} is promised by the policy, and a bare host lacks it"
        return basket.add("repair.graft", finding.name, reason, line=finding.line)
    name = finding.name
    wanted = [
        WantedFile(kind=FileKind.SONAME, name=name),
        WantedFile(kind=FileKind.LIBRARY, name=name.removeprefix("lib").partition(".so")[0]),
    ]
    return await basket.add_package(wanted, line=finding.line, key="test.apt")


async def conclude(job: Job) -> Healing | None:
    """Return the healing of a finished build with the recipe that follows, without what turned out to be unused."""
    healing = job.healing
    if healing is None or not (healing.added or healing.could_have):
        return None
    unused = tuple(one for one in healing.added if _is_unused(one, job))
    order = job.claim.order
    kept = [one for one in healing.added if one not in unused]
    for one in unused:
        await job.note(f"{one.value} was added and not used; the recipe leaves it out")
    return replace(healing, unused=unused, recipe=write_recipe(_inferred_for(order), kept))


def _inferred_for(order: BuildOrder) -> InferredFor:
    return InferredFor(project=order.project, version=order.version, suite=order.builder)


def _is_unused(one: Inference, job: Job) -> bool:
    """Return whether a predicted package was not used: the compilers read none of its headers.

    It is known only where the compilers told which headers they read, so what is doubtful stays.
    """
    used = job.built.used_packages if job.built is not None else frozenset[str]()
    if one.source is not InferenceSource.PREDICTED or one.key not in _PACKAGES or not used:
        return False
    by_header = PurePosixPath(one.line.partition(":")[0]).suffix in _SOURCES
    return by_header and one.value not in used


def _basket(job: Job, tools: Tools, source: InferenceSource) -> Basket:
    added = (job.healing or Healing()).added
    rules = tools.heal
    room = rules.most_packages - sum(one.key in _PACKAGES or one.key == "test.apt" for one in added)
    bytes_left = rules.most_bytes - sum(one.size_bytes for one in added)
    return Basket(job=job, tools=tools, source=source, room=room, bytes_left=bytes_left)


def _with(job: Job, healing: Healing, added: Iterable[Inference]) -> Job:
    """Return the job with a longer recipe, as if it had been requested with it."""
    order = job.claim.order
    longer = replace(order, recipe=extend_recipe(order.recipe, added))
    return job.knowing(claim=replace(job.claim, order=longer), healing=healing)


def is_foresight(job: Job) -> bool:
    """Return whether all packages that were added so far were added before the first try."""
    rounds = (job.healing or Healing()).rounds
    return len(rounds) == 1 and not rounds[0].stage and any(one.key in _PACKAGES for one in rounds[0].added)


async def without_foresight(job: Job) -> Job:
    """Return the job without the packages that were added before the first try: the suite cannot install them."""
    healing = job.healing or Healing()
    (first,) = healing.rounds
    packages = {one.value for one in first.added if one.key in _PACKAGES}
    order = job.claim.order
    shorter: dict[str, Any] = {
        key: tuple(one for one in getattr(order.recipe, key) if one not in packages) for key in _PACKAGES
    }
    await job.note(f"{', '.join(sorted(packages))} cannot be installed, so it is tried without")
    kept = replace(first, added=tuple(one for one in first.added if one.key not in _PACKAGES))
    return job.knowing(
        claim=replace(job.claim, order=replace(order, recipe=replace(order.recipe, **shorter))),
        healing=replace(healing, rounds=(kept,) if kept.added else ()),
    )
