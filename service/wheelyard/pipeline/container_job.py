"""Run one job of the agent in one container, and turn what it says into values or typed errors.

Must not know what the stages make of the answers.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wheelyard.domain.build import BuildOrder, Stage
from wheelyard.errors import (
    BuildFailedError,
    BuildTimeoutError,
    CratesRefusedError,
    CratesUnavailableError,
    ExtensionMissingError,
    InvalidSdistError,
    OutOfMemoryError,
    RepairFailedError,
    ToolchainTooOldError,
    VerifyFailedError,
    WheelyardError,
)
from wheelyard.interfaces import ContainerSpec
from wheelyard.pipeline.conversation import Conversation, Message
from wheelyard.pipeline.job import Job, Tools

TOOLS_PYTHON: Final = "/opt/wheelyard/tools/bin/python"
# Reads the agent's length and its zip file, then hands the rest of the stream over to it.
_BOOTSTRAP: Final = (
    "import sys;s=sys.stdin.buffer;p='/scratch/agent.zip';f=open(p,'wb');f.write(s.read(int(s.readline())));f.close();"
    "sys.path.insert(0,p);from wheelyard_agent.__main__ import main;sys.exit(main(s))"
)

Supply = Callable[[Conversation, Message], Awaitable[None]]
"""Answers an agent that needs something."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Sandbox:
    """A container for one job of the agent."""

    name: str
    """What it is for: its label, and the folder of what it sends."""
    stage: Stage
    image: str
    python: str
    network: bool = False


def open_job(
    job: Job, tools: Tools, *, stage: Stage, image: str, python: str
) -> AbstractAsyncContextManager[Conversation]:
    """Start a container with the agent in it; the stage's time limit holds for the whole block.

    Raises:
        BuildTimeoutError: the block took longer than the limit.
    """
    return _open(job, tools, _Sandbox(name=stage.value, stage=stage, image=image, python=python))


def open_prefetcher(job: Job, tools: Tools, *, image: str) -> AbstractAsyncContextManager[Conversation]:
    """Start a container that has a network, because no code of the project's runs in it; the same limits hold.

    Raises:
        BuildTimeoutError: the block took longer than the limit.
    """
    sandbox = _Sandbox(name="prefetch", stage=Stage.BUILD, image=image, python=TOOLS_PYTHON, network=True)
    return _open(job, tools, sandbox)


@contextlib.asynccontextmanager
async def _open(job: Job, tools: Tools, sandbox: _Sandbox) -> AsyncIterator[Conversation]:
    outbox = job.folder / sandbox.name
    outbox.mkdir()
    spec = ContainerSpec(
        image=sandbox.image,
        command=(sandbox.python, "-I", "-c", _BOOTSTRAP),
        limits=tools.limits,
        labels={**tools.labels, "org.wheelyard.build": job.claim.build_id, "org.wheelyard.stage": sandbox.name},
        env={},
        network=sandbox.network,
    )
    try:
        async with asyncio.timeout(tools.limits.time_seconds), tools.engine.run(spec, log=job.log) as container:
            conversation = Conversation(
                container, stage=sandbox.stage, outbox=outbox, output_bytes=tools.output_bytes, limits=tools.limits
            )
            await conversation.start(tools.agent)
            yield conversation
    except TimeoutError as error:
        raise BuildTimeoutError(stage=sandbox.stage.value, limit_seconds=tools.limits.time_seconds) from error


async def expect_report(
    conversation: Conversation, job: Job, tools: Tools, *, stage: Stage, supply: Supply | None = None
) -> Message:
    """Return the agent's report, answering what it needs before; raises the typed error if it reports a failure."""
    while True:
        message = await conversation.receive()
        if message.kind == "report":
            return message
        if message.kind == "failure":
            raise _failure(message, job, tools, stage)
        if message.kind != "need" or supply is None:
            raise conversation.refuse(f"it sent {message.kind[:50]!r} where a report was due")
        await supply(conversation, message)


def received_wheel(conversation: Conversation, message: Message) -> Path:
    """Return the wheel that a report names, which must be among the files that came."""
    name = str(message.fields.get("wheel"))
    path = conversation.files.get(name)
    if path is None or path.suffix != ".whl":
        raise conversation.refuse(f"its report names {name[:200]!r}, which is no wheel that it sent")
    return path


def _failure(message: Message, job: Job, tools: Tools, stage: Stage) -> WheelyardError:
    oom_kills = message.fields.get("oom_kills")
    if isinstance(oom_kills, int) and oom_kills > 0:
        return OutOfMemoryError(stage=stage.value, limit_bytes=tools.limits.memory_bytes)
    reported = _REPORTED.get(str(message.fields.get("code")), _build_failed)
    return reported(message, job.claim.order)


def _build_failed(message: Message, order: BuildOrder) -> WheelyardError:
    exit_reason = str(message.fields.get("exit_reason", _reason(message)))[:500]
    return BuildFailedError(release=_release(order), exit_reason=exit_reason)


def _too_old(message: Message, order: BuildOrder) -> WheelyardError:
    """Say what the image really has, where that is less than the catalogue promises."""
    toolchain, have, want = (str(message.fields.get(name))[:50] for name in ("toolchain", "have", "want"))
    return ToolchainTooOldError(toolchain=toolchain, suite=order.builder, have=have, want=want)


def _reason(message: Message) -> str:
    return str(message.fields.get("reason", "it gave no reason"))[:500]


def _release(order: BuildOrder) -> str:
    return f"{order.project} {order.version}"


def _texts(message: Message, name: str) -> list[str]:
    value = message.fields.get(name)
    return [str(item)[:500] for item in value[:20]] if isinstance(value, list) else []


_REPORTED: Final[Mapping[str, Callable[[Message, BuildOrder], WheelyardError]]] = {
    "invalid-sdist": lambda said, order: InvalidSdistError(file=order.sdist.filename, reason=_reason(said)),
    "toolchain-too-old": _too_old,
    "crates-refused": lambda said, order: CratesRefusedError(release=_release(order), reason=_reason(said)),
    "crates-unavailable": lambda said, order: CratesUnavailableError(release=_release(order), reason=_reason(said)),
    "repair-failed": lambda said, order: RepairFailedError(
        wheel=_release(order), policy=order.target.platform, reason=_reason(said)
    ),
    "extension-missing": lambda said, order: ExtensionMissingError(
        wheel=_release(order), missing=_texts(said, "missing")
    ),
    "verify-failed": lambda said, order: VerifyFailedError(wheel=_release(order), problems=_texts(said, "problems")),
}
"""Failures that an agent can report, by code; any other is a build that failed."""
