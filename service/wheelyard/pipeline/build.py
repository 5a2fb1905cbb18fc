"""Stage build: run the project's build backend in a sandbox, giving it the wheels that it asks for.

The sdist is first opened inside the sandbox, so its requirements are known only there: the container asks, we resolve
and fetch (wheels only, by hash), and the same container goes on (PEP 517's dynamic requirements included).
"""

from collections.abc import Sequence
from typing import Final

from wheelyard.domain.build import BuildRequirement, Stage
from wheelyard.domain.release import IndexFile
from wheelyard.pipeline.container_job import TOOLS_PYTHON, expect_report, open_job, received_wheel
from wheelyard.pipeline.conversation import Conversation, Message
from wheelyard.pipeline.crates import supply_crates, wants_crates
from wheelyard.pipeline.job import BuiltWheel, Job, Tools, known

_MAX_ROUNDS: Final = 3  # the static requirements, the dynamic ones, and one more for a backend that thinks again
_MAX_REQUIREMENTS: Final = 200


async def build(job: Job, tools: Tools) -> Job:
    """Build the wheel."""
    image = known(job.images).builder
    async with open_job(job, tools, stage=Stage.BUILD, image=image, python=TOOLS_PYTHON) as conversation:
        await _give_job(conversation, job)
        supplies = _Supplies(job, tools)
        message = await expect_report(conversation, job, tools, stage=Stage.BUILD, supply=supplies.answer)
        path = received_wheel(conversation, message)
        epoch = message.fields.get("epoch")
        if not isinstance(epoch, int):
            raise conversation.refuse("its report has no epoch")
        return job.knowing(built=BuiltWheel(path=path, epoch=epoch, requirements=supplies.given()))


def python_path(python: str) -> str:
    """Say where an image has a Python; part of the images' contract."""
    return f"/opt/python/{python}/bin/python{python}"


async def _give_job(conversation: Conversation, job: Job) -> None:
    order = job.claim.order
    await conversation.send_file(known(job.sdist), name=order.sdist.filename)
    await conversation.send(
        "build",
        sdist=order.sdist.filename,
        python=python_path(order.target.python),
        toolchains=list(order.recipe.toolchains),
        crates=wants_crates(job),
        env=dict(order.recipe.env),
        config_settings=dict(order.recipe.config_settings),
    )


class _Supplies:
    """What a container has asked for and got."""

    def __init__(self, job: Job, tools: Tools) -> None:
        self._job = job
        self._tools = tools
        self._given: dict[str, IndexFile] = {}
        self._rounds = 0
        self._has_crates = False

    def given(self) -> tuple[BuildRequirement, ...]:
        """List every wheel that was sent in."""
        files = sorted(self._given.values(), key=lambda file: file.filename)
        return tuple(BuildRequirement(filename=file.filename, sha256=file.sha256) for file in files)

    async def answer(self, conversation: Conversation, message: Message) -> None:
        """Send what the container needs: crates, once, or the wheels that its build requirements come down to."""
        if message.fields.get("what") != "crates":
            return await self._supply_wheels(conversation, message)
        if self._has_crates:
            raise conversation.refuse("it asks for crates a second time")
        self._has_crates = True
        return await supply_crates(conversation, message, self._job, self._tools)

    async def _supply_wheels(self, conversation: Conversation, message: Message) -> None:
        """Resolve what the backend asks for and send the wheels that the container has not got yet."""
        wanted = self._read(conversation, message)
        order = self._job.claim.order
        await self._job.note(f"build requirements: {', '.join(wanted) or 'none'}")
        files = await self._tools.resolver.resolve(
            wanted, target=order.target, constraints=order.recipe.build_constraints
        )
        await self._send_new(conversation, files)
        await conversation.send("supply", files=[file.filename for file in files])

    def _read(self, conversation: Conversation, message: Message) -> tuple[str, ...]:
        self._rounds += 1
        try:
            wanted = message.texts("requirements")
        except ValueError as error:
            raise conversation.refuse(str(error)) from error
        if self._rounds > _MAX_ROUNDS or len(wanted) > _MAX_REQUIREMENTS:
            raise conversation.refuse(f"it asks for {len(wanted)} build requirements in round {self._rounds}")
        return wanted

    async def _send_new(self, conversation: Conversation, files: Sequence[IndexFile]) -> None:
        for file in files:
            if file.filename not in self._given:
                await conversation.send_file(await self._tools.source.fetch(file), name=file.filename)
                self._given[file.filename] = file
