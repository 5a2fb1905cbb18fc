"""Fetch the crates that a Rust project needs, for its build container, which has no network.

This is the only place that starts a container with a network (docs/decisions/0010). cargo and our agent run there, on
manifests that are rewritten from a few keys: no code of the project or of a crate runs.
"""

import asyncio
import functools
import hashlib
from pathlib import Path
from typing import Final

from wheelyard.domain.builds.build import Stage
from wheelyard.domain.provenance.statements import CrateArchive
from wheelyard.domain.rust.crates import CratePlan, locked_crates, plan_crates
from wheelyard.domain.toolchain import ToolchainName, ToolchainNeed
from wheelyard.errors import CratesRefusedError
from wheelyard.pipeline.container_job import expect_report, open_prefetcher
from wheelyard.pipeline.conversation import Conversation, Message
from wheelyard.pipeline.job import Job, Tools, known

_ARCHIVE: Final = "crates.tar.gz"
_CERTIFICATES: Final = "ca.pem"


async def supply_crates(conversation: Conversation, message: Message, job: Job, tools: Tools) -> CrateArchive:
    """Send crates to a build container that needs them, from the cache or fetched; return what was sent."""
    plan = await _read_plan(conversation, message, job, tools)
    key = plan.key(image=known(job.images).builder)
    archive = await tools.crates.find(key)
    if archive is None:
        archive = await tools.crates.keep(key, await _fetch(plan, job, tools))
    else:
        await job.note("crates: found in the cache")
    await conversation.send_file(archive, name=_ARCHIVE)
    await conversation.send("supply", crates=_ARCHIVE)
    release = f"{job.claim.order.project} {job.claim.order.version}"
    named = await tools.parsers.run(locked_crates, plan.files, what=f"the Cargo.lock of {release}", caller=release)
    return CrateArchive(sha256=await asyncio.to_thread(_digest_of, archive), crates=named)


def _digest_of(archive: Path) -> str:
    with archive.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def wants_crates(job: Job) -> bool:
    """Return whether the recipe asks for Rust."""
    needs = (ToolchainNeed.parse(text) for text in job.claim.order.recipe.toolchains)
    return any(need.name is ToolchainName.RUST for need in needs)


async def _read_plan(conversation: Conversation, message: Message, job: Job, tools: Tools) -> CratePlan:
    """Parse what the container asks for; it is untrusted, like everything from a container."""
    if not wants_crates(job):
        raise conversation.refuse("it asks for crates, and its recipe asks for no Rust")
    files = message.fields.get("files")
    if not isinstance(files, dict) or not all(isinstance(text, str) for text in files.values()):
        raise conversation.refuse("its need of crates has no files")
    release = f"{job.claim.order.project} {job.claim.order.version}"
    try:
        plan = functools.partial(plan_crates, files, named=message.texts("named"))
        return await tools.parsers.run(plan, what=f"what the sdist of {release} says about crates", caller=release)
    except (ValueError, RecursionError) as error:
        raise CratesRefusedError(release=release, reason=str(error)) from error


async def _fetch(plan: CratePlan, job: Job, tools: Tools) -> Path:
    await job.note(f"crates: fetching for {', '.join(plan.roots)}, in a container that runs no code of the project's")
    if plan.unlocked:
        await job.note(f"crates: no Cargo.lock beside {', '.join(plan.unlocked)}, so the newest that fit are taken")
    async with open_prefetcher(job, tools, image=known(job.images).builder) as prefetcher:
        if tools.ca_bundle is not None:
            await prefetcher.send_file(tools.ca_bundle, name=_CERTIFICATES)
        await prefetcher.send(
            "vendor",
            files=dict(plan.files),
            packages=plan.packages,
            roots=plan.roots,
            unlocked=plan.unlocked,
            certificates=_CERTIFICATES if tools.ca_bundle else None,
            archive=_ARCHIVE,
        )
        await expect_report(prefetcher, job, tools, stage=Stage.BUILD)
        if _ARCHIVE not in prefetcher.files:
            raise prefetcher.refuse("it sent no crates")
        return prefetcher.files[_ARCHIVE]
