"""The first stages of a build of a commit, of what a caller sent or of a file: fetch it, make its sdist in a sandbox.

From then on it is a build of that sdist. What its version is, is known only now, so the order is completed here
(docs/decisions/0042, 0045).
"""

import asyncio
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Final

from packaging.utils import NormalizedName
from packaging.version import Version

from wheelyard.domain.builds.build import BuildOrder, Stage
from wheelyard.domain.builds.git_source import GitOrigin
from wheelyard.domain.builds.key import source_digest
from wheelyard.domain.builds.local_source import LocalKind, LocalOrigin, Origin, version_of_wheel
from wheelyard.domain.packaging.release import IndexFile
from wheelyard.domain.untrusted.file_names import read_sdist_name
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.domain.untrusted.versions import read_version
from wheelyard.errors import BuildFailedError, InvalidSdistError
from wheelyard.pipeline.build import Supplies, python_path
from wheelyard.pipeline.container_job import TOOLS_PYTHON, expect_report, open_job
from wheelyard.pipeline.conversation import Conversation
from wheelyard.pipeline.job import Job, PreparedImages, Tools, known
from wheelyard.pipeline.prepare import fetch_sources, prepare, prepare_builder, source_of

_GIT_PACKAGE: Final = "git"
"""The system package of git, which has this name in every distribution that suites are made of."""
_ARCHIVE: Final = "folder"
_TIME: Final = 315_532_800
"""The time of all files of a folder: 1980-01-01, the earliest of zip files. Its own times change with each checkout."""


async def fetch_commit(job: Job, tools: Tools) -> Job:
    """Fetch the commit with its submodules, or find the sdist that was made of it; fetch the recipe's sources."""
    origin, repositories = known(job.claim.order.sdist.git), known(tools.repositories)
    job = await _with_former(job.knowing(sources=await fetch_sources(job, tools)), tools)
    if job.sdist is not None:
        return job
    files = await repositories.fetch(origin)
    for pack in files.packs[1:]:
        await job.note(f"submodule {pack.path} at commit {pack.commit}")
    return job.knowing(commit=files)


async def fetch_address(job: Job, tools: Tools) -> Job:
    """Fetch the sdist at an address, and the recipe's sources."""
    job = job.knowing(sources=await fetch_sources(job, tools))
    return await _with_sdist(job, await tools.source.fetch(source_of(job.claim.order)))


async def fetch_local(job: Job, tools: Tools) -> Job:
    """Fetch what the caller sent, or find the sdist that was made of it; fetch the recipe's sources."""
    origin = known(job.claim.order.sdist.local)
    job = job.knowing(sources=await fetch_sources(job, tools))
    if origin.kind is LocalKind.SDIST:
        return await _with_sdist(job, await tools.source.fetch(source_of(job.claim.order)))
    job = await _with_former(job, tools)
    if job.sdist is not None:
        return job
    return job.knowing(archive=await tools.source.fetch(_archive_of(job.claim.order)))


def _archive_of(order: BuildOrder) -> IndexFile:
    """Describe the archive of a folder as the cache describes files."""
    origin = known(order.sdist.local)
    return IndexFile(
        filename=f"{_ARCHIVE}-0+{origin.mark}.tar.gz",
        url=order.sdist.url,
        sha256=origin.sha256,
        kind="sdist",
        version=read_version(order.version),
        size_bytes=origin.size_bytes,
    )


async def _with_former(job: Job, tools: Tools) -> Job:
    """Return the job with the sdist that was made before, if it is still there."""
    made = await known(tools.repositories).find_sdist(_sdist_key(job, tools))
    if made is None:
        return job
    await job.note(f"its sdist was made before: {made.name}")
    return await _with_sdist(job, made)


async def prepare_source(job: Job, tools: Tools) -> Job:
    """Make the sdist in a sandbox, unless it is there, and prepare its build."""
    if job.sdist is None:
        sdist = await _make_sdist(job, tools)
        key, job = _sdist_key(job, tools), await _with_sdist(job, sdist)
        await known(tools.repositories).keep_sdist(key, sdist)
    return await prepare(job, tools)


def _sdist_key(job: Job, tools: Tools) -> str:
    """Return the key of the sdist: what it is made of, and what makes it. All targets share it."""
    order = job.claim.order
    parts = [source_digest(order.sdist), order.recipe_digest, hashlib.sha256(tools.agent).hexdigest()]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


async def _make_sdist(job: Job, tools: Tools) -> Path:
    """Return the sdist that the project's backend makes in a container with git, and without a network.

    Raises:
        BuildFailedError: the backend made none.
        InvalidSdistError: what was fetched cannot be checked out or unpacked, or its folder is missing.
    """
    with_tools, image = await prepare_builder(job, tools, await _read_pyproject(job, tools), further=(_GIT_PACKAGE,))
    await job.note(f"the sdist is made in builder image {image}")
    working = with_tools.knowing(images=PreparedImages(builder=image, runtime=None))
    async with open_job(working, tools, stage=Stage.PREPARE, image=image, python=TOOLS_PYTHON) as conversation:
        await _give_source(conversation, working)
        supplies = Supplies(working, tools)
        try:
            message = await expect_report(conversation, working, tools, stage=Stage.PREPARE, supply=supplies.answer)
        except BuildFailedError as error:
            error.requirements = tuple(one.filename for one in supplies.given())
            raise
        name = str(message.fields.get("sdist"))
        path = conversation.files.get(name)
        if path is None:
            raise conversation.refuse(f"its report names {name[:200]!r}, which is no sdist that it sent")
    pointers = message.fields.get("pointers")
    if isinstance(pointers, int) and pointers > 0:
        await job.note(f"warning: {pointers} files are in Git LFS: only their pointers are in the sdist")
    return path


async def _read_pyproject(job: Job, tools: Tools) -> bytes:
    if job.archive is not None:
        return await asyncio.to_thread(tools.read_pyproject, job.archive) or b""
    return known(job.commit).texts.get("pyproject.toml", "").encode()


async def _give_source(conversation: Conversation, job: Job) -> None:
    order, recipe = job.claim.order, job.claim.order.recipe
    source = await (_give_commit if job.archive is None else _give_archive)(conversation, job)
    await conversation.send(
        "make-sdist",
        **source,
        python=python_path(order.target.python),
        toolchains=list(recipe.toolchains),
        env=dict(recipe.env),
        config_settings=dict(recipe.config_settings),
    )


async def _give_archive(conversation: Conversation, job: Job) -> dict[str, object]:
    """Send the archive of a folder; return what the job says of it."""
    name = f"{_ARCHIVE}.tar.gz"
    await conversation.send_file(known(job.archive), name=name)
    tag = known(job.claim.order.sdist.local).tag
    return {"archive": name, "packs": [], "tag": tag, "subdirectory": "", "time": _TIME}


async def _give_commit(conversation: Conversation, job: Job) -> dict[str, object]:
    """Send a commit's packs; return what the job says of them."""
    origin, files = known(job.claim.order.sdist.git), known(job.commit)
    packs = []
    for number, pack in enumerate(files.packs):
        name = f"commit-{number}.pack"
        await conversation.send_file(pack.file, name=name)
        packs.append({"file": name, "path": pack.path, "commit": pack.commit})
    return {
        "archive": None,
        "packs": packs,
        "tag": origin.tag,
        "subdirectory": origin.subdirectory,
        "time": files.time,
    }


async def _with_sdist(job: Job, sdist: Path) -> Job:
    """Return the job with its sdist, and the order with what the sdist's name says."""
    order = job.claim.order
    origin: Origin | None = order.origin
    if origin is None:
        raise AssertionError("a release of an index is no such order")
    project, made = _read_name(sdist.name)
    if project != order.project:
        reason = f"it is of the project {project}, and {order.project} was ordered"
        raise InvalidSdistError(file=sdist.name, reason=reason)
    version = version_of_wheel(made, origin)
    digest, size = await asyncio.to_thread(_measure, sdist)
    await job.note(f"{sdist.name} sha256={digest}")
    if version != made:
        await job.note(f"its version is {made}; the wheel's is {version}, which never replaces a release")
    source = replace(order.sdist, filename=sdist.name, sha256=digest, size_bytes=size)
    if isinstance(origin, GitOrigin):
        source = replace(source, git=replace(origin, version=str(made)))
    elif isinstance(origin, LocalOrigin):
        source = replace(source, local=replace(origin, version=str(made)))
    known_order = replace(order, version=str(version), sdist=source)
    return job.knowing(sdist=sdist, commit=None, archive=None, claim=replace(job.claim, order=known_order))


def _read_name(filename: str) -> tuple[NormalizedName, Version]:
    """Return an sdist's project and version; raise InvalidSdistError."""
    try:
        return read_sdist_name(filename)
    except RefusedTextError as error:
        raise InvalidSdistError(file=filename, reason=f"its name is not that of an sdist ({error})") from error


def _measure(sdist: Path) -> tuple[str, int]:
    with sdist.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest(), sdist.stat().st_size
