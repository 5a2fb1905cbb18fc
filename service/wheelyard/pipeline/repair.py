"""Stage repair: audit the wheel and make it comply with the target's policy, in a fresh container.

The container of the build stage is gone, so the project's code cannot have touched these tools.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from wheelyard.domain.build import GraftedLibrary, Stage
from wheelyard.domain.plan import build_tag
from wheelyard.domain.target import Policy
from wheelyard.pipeline.container_job import TOOLS_PYTHON, expect_report, open_job, received_wheel
from wheelyard.pipeline.conversation import Conversation, Message
from wheelyard.pipeline.job import Job, RepairedWheel, Tools, known
from wheelyard.pipeline.wheel_file import WheelFile, read_wheel

_GRAFTED: Final = TypeAdapter(tuple[GraftedLibrary, ...])


async def repair(job: Job, tools: Tools) -> Job:
    """Repair the wheel, or pass a pure one through with nothing but a build tag added."""
    built, image = known(job.built), known(job.images).builder
    tag = build_tag(tools.build_number, suite=job.claim.order.builder)
    async with open_job(job, tools, stage=Stage.REPAIR, image=image, python=TOOLS_PYTHON) as conversation:
        await _check(conversation, built.path, job)
        await conversation.send_file(built.path)
        await conversation.send(
            "repair",
            wheel=built.path.name,
            platform=job.claim.order.target.platform,
            build_tag=tag,
            epoch=built.epoch,
        )
        message = await expect_report(conversation, job, tools, stage=Stage.REPAIR)
        path = received_wheel(conversation, message)
        file = await _check(conversation, path, job)
        if "".join(map(str, file.build_tag)) != tag:
            raise conversation.refuse(f"{path.name} does not have the build tag {tag}")
        return job.knowing(repaired=_read_report(conversation, job, message, path, file))


async def _check(conversation: Conversation, path: Path, job: Job) -> WheelFile:
    try:
        return await asyncio.to_thread(read_wheel, path, job.claim.order)
    except ValueError as error:
        raise conversation.refuse(str(error)) from error


def _read_report(conversation: Conversation, job: Job, message: Message, path: Path, file: WheelFile) -> RepairedWheel:
    try:
        repaired = RepairedWheel(
            path=path,
            sha256=file.sha256,
            is_pure=message.fields["is_pure"] is True,
            policy=_read_policy(message.fields, job),
            extensions=message.texts("extensions"),
            grafted=_GRAFTED.validate_python(message.fields["grafted"]),
        )
    except (ValueError, KeyError, ValidationError) as error:
        raise conversation.refuse(f"its report cannot be read ({error})") from error
    kind = "pure" if repaired.is_pure else "native"
    if repaired.is_pure != all(tag.platform == "any" for tag in file.tags):
        raise conversation.refuse(f"{path.name} is {kind}, and its tag is not")
    if repaired.is_pure != (repaired.policy is None):
        raise conversation.refuse(f"{path.name} is {kind}, and its policy is {repaired.policy}")
    return repaired


def _read_policy(fields: Mapping[str, Any], job: Job) -> str | None:
    """Read the policy that the wheel complies with; it must serve the target."""
    text = fields["policy"]
    if text is None:
        return None
    if not Policy.parse(str(text)).serves(job.claim.order.target.policy):
        raise ValueError(f"{text} does not serve {job.claim.order.target.policy}")
    return str(text)
