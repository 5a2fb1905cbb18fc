"""Run one job of the agent in one container, and turn its report into values or typed errors."""

import asyncio
import contextlib
import re
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wheelyard.domain.builds.build import BuildOrder, Stage
from wheelyard.domain.builds.network import name_calls, network_warnings
from wheelyard.domain.builds.records import Claim
from wheelyard.errors import (
    BuildFailedError,
    CratesRefusedError,
    CratesUnavailableError,
    ExtensionMissingError,
    HookFailedError,
    InvalidSdistError,
    NetworkCall,
    OutOfMemoryError,
    PatchFailedError,
    ProcessLimitError,
    RepairFailedError,
    SourceUnusableError,
    ToolchainTooOldError,
    VerifyFailedError,
    WheelClaimsFalseError,
    WheelyardError,
)
from wheelyard.interfaces import ContainerSpec, Network
from wheelyard.pipeline.conversation import Conversation, Message
from wheelyard.pipeline.job import Job, Tools, granted_limits, known
from wheelyard.pipeline.wheel_report import read_lies, read_network_calls, read_sonames, read_use

TOOLS_PYTHON: Final = "/opt/wheelyard/tools/bin/python"
BUILD_LABEL: Final = "org.wheelyard.build"
# Reads the agent's length and its zip file, then passes the rest of the stream to it.
_BOOTSTRAP: Final = (
    "import sys;s=sys.stdin.buffer;p='/scratch/agent.zip';f=open(p,'wb');f.write(s.read(int(s.readline())));f.close();"
    "sys.path.insert(0,p);from wheelyard_agent.__main__ import main;sys.exit(main(s))"
)

Supply = Callable[[Conversation, Message], Awaitable[None]]
"""Answers a request of an agent."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Sandbox:
    """A container for one job of the agent."""

    name: str
    """Its purpose: a label, and the folder of the files that it sends."""
    stage: Stage
    image: str
    python: str
    network: Network = Network.NONE


def open_job(  # noqa: PLR0913  all but the first two are about the container
    job: Job, tools: Tools, *, stage: Stage, image: str, python: str, network: Network = Network.NONE
) -> AbstractAsyncContextManager[Conversation]:
    """Start a container with the agent in it; the stage's time limit applies to the whole block.

    Raises:
        BuildTimeoutError: the block took longer than the limit.
    """
    return _open(job, tools, _Sandbox(name=stage.value, stage=stage, image=image, python=python, network=network))


def open_prefetcher(job: Job, tools: Tools, *, image: str) -> AbstractAsyncContextManager[Conversation]:
    """Start a container with a network, because none of the project's code runs in it; the same limits apply.

    Raises:
        BuildTimeoutError: the block took longer than the limit.
    """
    sandbox = _Sandbox(name="prefetch", stage=Stage.BUILD, image=image, python=TOOLS_PYTHON, network=Network.PREFETCH)
    return _open(job, tools, sandbox)


def open_bare(job: Job, tools: Tools, *, image: str, python: str) -> AbstractAsyncContextManager[Conversation]:
    """Start a container of the bare runtime image, beside the one that verifies; the same limits apply.

    Raises:
        BuildTimeoutError: the block took longer than the limit.
    """
    return _open(job, tools, _Sandbox(name="bare", stage=Stage.VERIFY, image=image, python=python))


def labels_of(claim: Claim) -> dict[str, str]:
    """Return the labels that identify the containers of an attempt."""
    return {BUILD_LABEL: claim.build_id, "org.wheelyard.attempt": str(claim.attempt)}


@contextlib.asynccontextmanager
async def _open(job: Job, tools: Tools, sandbox: _Sandbox) -> AsyncIterator[Conversation]:
    granted = granted_limits(job.claim.order, tools)
    # A stage that is tried again has a folder of its own: a wheel of the former try may still be used.
    outbox = Path(tempfile.mkdtemp(prefix=f"{sandbox.name}-", dir=job.folder))
    # All images of the job, because one that is used later must not be removed as unused in the meantime.
    await tools.images.note_use(known(job.images).ids)
    spec = ContainerSpec(
        image=sandbox.image,
        command=(sandbox.python, "-I", "-c", _BOOTSTRAP),
        limits=granted.limits,
        labels={**tools.labels, **labels_of(job.claim), "org.wheelyard.stage": sandbox.name},
        env={},
        network=sandbox.network,
    )
    loop = asyncio.get_running_loop()
    begun = loop.time()
    try:
        async with asyncio.timeout(granted.limits.time_seconds), tools.engine.run(spec, log=job.log) as container:
            conversation = Conversation(
                container,
                stage=sandbox.stage,
                outbox=outbox,
                output_bytes=tools.output_bytes,
                limits=granted,
                parsers=tools.parsers,
            )
            await conversation.start(tools.agent)
            yield conversation
    except TimeoutError as error:
        raise granted.timed_out(sandbox.stage, loop.time() - begun) from error


async def expect_report(
    conversation: Conversation, job: Job, tools: Tools, *, stage: Stage, supply: Supply | None = None
) -> Message:
    """Return the agent's report, after answering its requests; raise the typed error if it reports a failure."""
    while True:
        message = await conversation.receive()
        if message.kind == "report":
            return message
        if message.kind == "failure":
            await note_network(conversation, message, job, stage)
            raise _failure(message, job, tools, stage)
        if message.kind != "need" or supply is None:
            raise conversation.refuse(f"it sent {message.kind[:50]!r} where a report was due")
        await supply(conversation, message)


async def note_network(conversation: Conversation, message: Message, job: Job, stage: Stage) -> tuple[str, ...]:
    """Log which addresses the project's code called; return them as warnings for the report."""
    try:
        warnings = network_warnings(_calls(message, job.claim.order, stage), stage=stage.value)
    except ValueError as error:
        raise conversation.refuse(f"its {message.kind} cannot be read ({error})") from error
    for warning in warnings:
        await job.note(f"warning: {warning}")
    return warnings


def received_wheel(conversation: Conversation, message: Message) -> Path:
    """Return the wheel that a report names, which must be among the received files."""
    name = str(message.fields.get("wheel"))
    path = conversation.files.get(name)
    if path is None or path.suffix != ".whl":
        raise conversation.refuse(f"its report names {name[:200]!r}, which is no wheel that it sent")
    return path


def _failure(message: Message, job: Job, tools: Tools, stage: Stage) -> WheelyardError:
    granted = granted_limits(job.claim.order, tools)
    code = str(message.fields.get("code"))
    reached = (limit for field, limit in _COUNTERS.items() if _counts(message, field))
    if (limit := granted.reached(next(reached, code), stage, read_use(message.fields))) is not None:
        return limit
    return _REPORTED.get(code, _build_failed)(message, job.claim.order)


def _counts(message: Message, field: str) -> bool:
    """Return whether the kernel counted a refusal; an agent may report anything."""
    value = message.fields.get(field)
    return isinstance(value, int) and value > 0


def _calls(message: Message, order: BuildOrder, stage: Stage) -> tuple[NetworkCall, ...]:
    """Return the calls that failed for want of a network; none if the build had one."""
    return () if stage is Stage.BUILD and order.recipe.network else read_network_calls(message.fields)


def _network_problem(message: Message) -> list[str]:
    """Describe the calls that the wheel's modules made at import, because they may explain a failure."""
    calls = read_network_calls(message.fields)
    return [f"it called for {name_calls(calls)}, and there is no network"] if calls else []


def _build_failed(message: Message, order: BuildOrder) -> WheelyardError:
    exit_reason = str(message.fields.get("exit_reason", _reason(message)))[:500]
    return BuildFailedError(
        release=_release(order),
        exit_reason=exit_reason,
        network=_calls(message, order, Stage.BUILD),
        use=read_use(message.fields),
    )


def _too_old(message: Message, order: BuildOrder) -> WheelyardError:
    """Return the error that names the image's toolchain version, which is older than the catalogue promises."""
    toolchain, have, want = (str(message.fields.get(name))[:50] for name in ("toolchain", "have", "want"))
    return ToolchainTooOldError(toolchain=toolchain, suite=order.builder, have=have, want=want)


def _reason(message: Message) -> str:
    return str(message.fields.get("reason", "it gave no reason"))[:500]


def _text(message: Message, name: str, length: int = 200) -> str:
    return str(message.fields.get(name, ""))[:length]


def _release(order: BuildOrder) -> str:
    return f"{order.project} {order.version}"


def _texts(message: Message, name: str) -> list[str]:
    value = message.fields.get(name)
    return [str(item)[:500] for item in value[:20]] if isinstance(value, list) else []


_MODULE: Final = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*", re.ASCII)
_COUNTERS: Final = {"oom_kills": OutOfMemoryError.code, "refused_processes": ProcessLimitError.code}
"""The kernel's counters of a container, and the limit that each one shows to be reached."""

_REPORTED: Final[Mapping[str, Callable[[Message, BuildOrder], WheelyardError]]] = {
    "invalid-sdist": lambda said, order: InvalidSdistError(file=order.sdist.filename, reason=_reason(said)),
    "toolchain-too-old": _too_old,
    "patch-failed": lambda said, order: PatchFailedError(
        release=_release(order), patch=_text(said, "patch"), reason=_reason(said), hunk=_text(said, "hunk", 1200)
    ),
    "hook-failed": lambda said, order: HookFailedError(
        release=_release(order), hook=_text(said, "hook"), exit_reason=_text(said, "exit_reason")
    ),
    "source-unusable": lambda said, order: SourceUnusableError(
        release=_release(order), to=_text(said, "to"), reason=_reason(said)
    ),
    "crates-refused": lambda said, order: CratesRefusedError(release=_release(order), reason=_reason(said)),
    "crates-unavailable": lambda said, order: CratesUnavailableError(release=_release(order), reason=_reason(said)),
    "repair-failed": lambda said, order: RepairFailedError(
        wheel=_release(order), policy=None if order.is_brought else order.target.platform, reason=_reason(said)
    ),
    "wheel-claims-false": lambda said, order: WheelClaimsFalseError(wheel=_release(order), lies=read_lies(said.fields)),
    "extension-missing": lambda said, order: ExtensionMissingError(
        wheel=_release(order), missing=_texts(said, "missing"), evidence=_texts(said, "evidence")
    ),
    "verify-failed": lambda said, order: VerifyFailedError(
        wheel=_release(order),
        problems=[*_texts(said, "problems"), *_network_problem(said)],
        missing_libraries=read_sonames(said.fields, "missing_libraries"),
        missing_modules=[name for name in _texts(said, "missing_modules") if _MODULE.fullmatch(name)],
    ),
}
"""Failures that an agent can report, by code; any other is a build that failed."""
