"""Sign how a wheel was made, before it is recorded: a listed wheel always has its provenance."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from wheelyard.domain.builds.build import BuildOrder, SourceKind
from wheelyard.domain.catalogue.sbom import ImageContent
from wheelyard.domain.provenance.statements import BuildRun, Signing, describe_build
from wheelyard.errors import OperatorError
from wheelyard.pipeline.job import Job, StageFunction, Tools, known
from wheelyard.usecases.signing.attest import CurrentSigner, sign_file


@dataclass(frozen=True, kw_only=True, slots=True)
class Attesting:
    """What signs the wheels of a worker."""

    signer: CurrentSigner
    brought: Callable[[str], Awaitable[Sequence[Mapping[str, object]]]]
    """Returns the attestations that came with an upload of these bytes."""
    version: str
    """The version of Wheelyard."""
    now: Callable[[], datetime]


def attested(publish: StageFunction, attesting: Attesting) -> StageFunction:
    """Return the stage that publishes, and signs the wheel with all that is known of its build.

    The wheel's record is written with its provenance in one transaction, so that none is ever listed without.

    The stage raises SigningUnavailableError if this worker has no valid certificate.
    """

    async def act(job: Job, tools: Tools) -> Job:
        signer = await attesting.signer()  # before the upload: without a key, nothing is published
        job = await publish(job, tools)
        order, wheel, now = job.claim.order, known(job.wheel), attesting.now()
        signing = Signing(builder_id=signer.builder_id, version=attesting.version, at=now)
        predicate = describe_build(order, wheel, await _run_of(job, tools, now), signing)
        brought = await attesting.brought(order.sdist.sha256) if order.sdist.sha256 else ()
        provenance = sign_file(signer, wheel.filename, wheel.sha256, predicate, brought)
        await job.note(f"signed by {signer.builder_id}")
        return job.knowing(provenance=provenance)

    return act


async def _run_of(job: Job, tools: Tools, now: datetime) -> BuildRun:
    wheel = known(job.wheel)
    images = {wheel.builder_image, wheel.runtime_image, *(proof.runtime_image for proof in wheel.proofs)}
    return BuildRun(
        build_id=job.claim.build_id,
        attempt=job.claim.attempt,
        started_at=job.started_at or now,
        finished_at=now,
        images=await _contents(job, tools, sorted(images)),
        crates=job.built.crates if job.built else (),
        agent_sha256=hashlib.sha256(tools.agent).hexdigest(),
        epoch=job.built.epoch if job.built and not job.claim.order.is_brought else None,
        commands=_commands(job.claim.order, wheel.imported_modules),
    )


async def _contents(job: Job, tools: Tools, images: Sequence[str]) -> dict[str, ImageContent]:
    """Return what is in the images. What cannot be read is left out, and the statement says so by its absence."""
    found: dict[str, ImageContent] = {}
    for image in images:
        try:
            found[image] = await tools.images.content(image)
        except (OperatorError, ValueError, KeyError) as error:
            await job.note(f"the packages of {image} are not recorded: {error}")
    return found


def _commands(order: BuildOrder, imported: Sequence[str]) -> tuple[str, ...]:
    """Return what the agent ran, in order; its own digest is in the statement too."""
    recipe = order.recipe
    made = () if order.sdist.kind is SourceKind.WHEEL else ("PEP 517 build_wheel",)
    return (
        *(f"before-build {one.name}" for one in recipe.before_build),
        *made,
        *(f"after-build {one.name}" for one in recipe.after_build),
        "auditwheel repair",
        "uv pip install --offline",
        *(f"import {name}" for name in imported),
        *recipe.test_commands,
    )
