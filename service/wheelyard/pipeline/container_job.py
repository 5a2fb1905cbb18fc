"""Run one job of the agent in one container, and turn what it says into values or typed errors.

Must not know what the stages make of the answers.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Final

from wheelyard.domain.build import Stage
from wheelyard.errors import (
    BuildFailedError,
    BuildTimeoutError,
    ExtensionMissingError,
    InvalidSdistError,
    OutOfMemoryError,
    ProjectError,
    RepairFailedError,
    VerifyFailedError,
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


@contextlib.asynccontextmanager
async def open_job(job: Job, tools: Tools, *, stage: Stage, image: str, python: str) -> AsyncIterator[Conversation]:
    """Start a container with the agent in it; the stage's time limit holds for the whole block.

    Raises:
        BuildTimeoutError: the block took longer than the limit.
    """
    outbox = job.folder / stage.value
    outbox.mkdir()
    spec = ContainerSpec(
        image=image,
        command=(python, "-I", "-c", _BOOTSTRAP),
        limits=tools.limits,
        labels={**tools.labels, "org.wheelyard.build": job.claim.build_id, "org.wheelyard.stage": stage.value},
        env={},
    )
    try:
        async with asyncio.timeout(tools.limits.time_seconds), tools.engine.run(spec, log=job.log) as container:
            conversation = Conversation(
                container, stage=stage, outbox=outbox, output_bytes=tools.output_bytes, limits=tools.limits
            )
            await conversation.start(tools.agent)
            yield conversation
    except TimeoutError as error:
        raise BuildTimeoutError(stage=stage.value, limit_seconds=tools.limits.time_seconds) from error


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


def _failure(message: Message, job: Job, tools: Tools, stage: Stage) -> ProjectError:
    oom_kills = message.fields.get("oom_kills")
    if isinstance(oom_kills, int) and oom_kills > 0:
        return OutOfMemoryError(stage=stage.value, limit_bytes=tools.limits.memory_bytes)
    release = f"{job.claim.order.project} {job.claim.order.version}"
    reason = str(message.fields.get("reason", "it gave no reason"))[:500]
    match message.fields.get("code"):
        case "invalid-sdist":
            return InvalidSdistError(file=job.claim.order.sdist.filename, reason=reason)
        case "repair-failed":
            return RepairFailedError(wheel=release, policy=job.claim.order.target.platform, reason=reason)
        case "extension-missing":
            return ExtensionMissingError(wheel=release, missing=_texts(message, "missing"))
        case "verify-failed":
            return VerifyFailedError(wheel=release, problems=_texts(message, "problems"))
        case _:
            exit_reason = str(message.fields.get("exit_reason", reason))[:500]
            return BuildFailedError(release=release, exit_reason=exit_reason)


def _texts(message: Message, name: str) -> list[str]:
    value = message.fields.get(name)
    return [str(item)[:500] for item in value[:20]] if isinstance(value, list) else []
