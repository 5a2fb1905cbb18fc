"""Stage build: run the project's build backend in a sandbox, and supply the wheels that it asks for.

The sdist is first opened inside the sandbox, so its requirements are known only there. The container asks, we resolve
and fetch (wheels only, by hash), and the same container continues, with PEP 517's dynamic requirements too.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from wheelyard.domain.addresses import without_users
from wheelyard.domain.builds.build import BuildOrder, BuildRequirement, Stage
from wheelyard.domain.packaging.release import IndexFile
from wheelyard.domain.provenance.statements import CrateArchive
from wheelyard.domain.recipes.effective import SourceFile, amend_requirements
from wheelyard.errors import BuildFailedError
from wheelyard.pipeline.container_job import TOOLS_PYTHON, expect_report, note_network, open_job, received_wheel
from wheelyard.pipeline.conversation import Conversation, Message
from wheelyard.pipeline.crates import supply_crates, wants_crates
from wheelyard.pipeline.job import BuiltWheel, Job, Tools, granted_network, known
from wheelyard.pipeline.tried_modules import TriedModules
from wheelyard.pipeline.wheel_report import read_linked, read_sources, read_used_packages

_MAX_ROUNDS: Final = 3  # the static requirements, the dynamic ones, and one more in case they change
_MAX_REQUIREMENTS: Final = 200
MAX_EPOCH: Final = (1 << 32) - 1
"""A time in 2106. Zip files have times until 2107."""
CRATE_TEXTS: Final = "crate-licenses.zip"
"""File name of the license texts of crates."""
_MAX_CHARACTERS: Final = 64 << 10
"""The limit of all build requirements together."""


async def build(job: Job, tools: Tools) -> Job:
    """Build the wheel."""
    image = known(job.images).builder
    network = granted_network(job, tools)
    tried = TriedModules(job.log)
    async with open_job(
        replace(job, log=tried), tools, stage=Stage.BUILD, image=image, python=TOOLS_PYTHON, network=network
    ) as conversation:
        await _give_job(conversation, job)
        supplies = Supplies(job, tools)
        try:
            message = await expect_report(conversation, job, tools, stage=Stage.BUILD, supply=supplies.answer)
        except BuildFailedError as error:
            error.requirements = tuple(one.filename for one in supplies.given())
            raise
        path = received_wheel(conversation, message)
        epoch = message.fields.get("epoch")
        if not isinstance(epoch, int) or not 0 <= epoch <= MAX_EPOCH:
            raise conversation.refuse("its report has no epoch that a zip file can hold")
        try:
            sources, used = read_sources(message.fields), read_used_packages(message.fields)
            linked = read_linked(message.fields)
        except ValueError as error:
            raise conversation.refuse(f"its report cannot be read ({error})") from error
        warnings = await note_network(conversation, message, job, Stage.BUILD)
        built = BuiltWheel(
            path=path,
            epoch=epoch,
            requirements=supplies.given(),
            sources=sources,
            used_packages=used,
            crates=supplies.crates,
            linked=linked,
            crate_texts=conversation.files.get(CRATE_TEXTS) if linked["crates"] else None,
            warnings=(*(job.claim.order.origin.warnings if job.claim.order.origin else ()), *warnings),
        )
    # Its log has ended too only now.
    return job.knowing(built=replace(built, tried=tried.found()))


def python_path(python: str) -> str:
    """Return where an image has a Python; part of the images' contract."""
    return f"/opt/python/{python}/bin/python{python}"


async def _give_job(conversation: Conversation, job: Job) -> None:
    order, recipe = job.claim.order, job.claim.order.recipe
    await conversation.send_file(known(job.sdist), name=order.sdist.filename)
    sources = [
        await _send_source(conversation, *one) for one in enumerate(zip(recipe.sources, job.sources, strict=True))
    ]
    await conversation.send(
        "build",
        sdist=order.sdist.filename,
        python=python_path(order.target.python),
        toolchains=list(recipe.toolchains),
        crates=wants_crates(job),
        env=dict(recipe.env),
        trace_headers=bool(job.healing and job.healing.added),
        config_settings=dict(recipe.config_settings),
        sources=sources,
        relabel=new_version(order),
        patches=[asdict(one) for one in recipe.patches],
        cythonize=list(recipe.cythonize),
        hooks={
            "before-build": [asdict(one) for one in recipe.before_build],
            "after-build": [asdict(one) for one in recipe.after_build],
        },
    )


def new_version(order: BuildOrder) -> dict[str, str] | None:
    """Return the version that a wheel gets instead of its sdist's, or of its own; None if it keeps that."""
    made = order.origin.version if order.origin else None
    return None if made is None or made == order.version else {"made": made, "version": order.version}


async def _send_source(conversation: Conversation, number: int, source: tuple[SourceFile, Path]) -> dict[str, str]:
    """Send one of the recipe's sources under a name that no other file has."""
    what, path = source
    name = f"source-{number}"
    await conversation.send_file(path, name=name)
    return {"file": name, "url": what.url, "to": what.to}


class Supplies:
    """What a container has asked for and received."""

    def __init__(self, job: Job, tools: Tools) -> None:
        self._job = job
        self._tools = tools
        self._given: dict[str, IndexFile] = {}
        self._rounds = 0
        self.crates: tuple[CrateArchive, ...] = ()
        """The archive of crates that was sent, once it was."""

    def given(self) -> tuple[BuildRequirement, ...]:
        """Return every wheel that was sent."""
        files = sorted(self._given.values(), key=lambda file: file.filename)
        return tuple(
            BuildRequirement(filename=file.filename, sha256=file.sha256, url=without_users(file.url)) for file in files
        )

    async def answer(self, conversation: Conversation, message: Message) -> None:
        """Send what the container needs: crates, once, or the wheels that its build requirements resolve to."""
        if message.fields.get("what") != "crates":
            return await self._supply_wheels(conversation, message)
        if self.crates:
            raise conversation.refuse("it asks for crates a second time")
        self.crates = (await supply_crates(conversation, message, self._job, self._tools),)
        return None

    async def _supply_wheels(self, conversation: Conversation, message: Message) -> None:
        """Resolve the build backend's requirements and send the wheels that the container does not have yet."""
        order = self._job.claim.order
        wanted = amend_requirements(self._read(conversation, message), order.recipe)
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
        if (length := sum(map(len, wanted))) > _MAX_CHARACTERS:
            raise conversation.refuse(f"its build requirements have {length} characters; {_MAX_CHARACTERS} are allowed")
        return wanted

    async def _send_new(self, conversation: Conversation, files: Sequence[IndexFile]) -> None:
        for file in files:
            if file.filename not in self._given:
                await conversation.send_file(await self._tools.source.fetch(file), name=file.filename)
                self._given[file.filename] = file
