"""The provenance of a build, unsigned, and what is read back of it."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tests.contract.samples import BEGINNING, sample_order, sample_wheel

from wheelyard.domain.builds.build import BuildOrder, BuildRequirement
from wheelyard.domain.catalogue.packages import InstalledPackage
from wheelyard.domain.catalogue.sbom import ImageContent
from wheelyard.domain.provenance.recorded import RecordedBuild, read_recorded
from wheelyard.domain.provenance.statements import (
    SLSA,
    BuildRun,
    Signing,
    describe_build,
    write_provenance,
    write_statement,
)
from wheelyard.domain.recipes.effective import EffectiveRecipe

FILE = "pyyaml-6.0.3-4.bookworm-cp313-cp313-manylinux_2_36_x86_64.whl"
SHA256 = hashlib.sha256(b"the wheel").hexdigest()
BUILDER = f"sha256:{'1f' * 32}"
REQUIREMENT = BuildRequirement(
    filename="setuptools-80.0.0-py3-none-any.whl", sha256="cd" * 32, url="https://index.example/setuptools.whl"
)
PACKAGE = InstalledPackage(name="libyaml-dev", version="0.2.5-1", architecture="amd64")
CONTENT = ImageContent(
    name="wheelyard/builder-bookworm-3.13",
    version="0" * 64,
    distribution="debian",
    suite="bookworm",
    packages=(PACKAGE,),
    pythons=(("3.13.9", "ee" * 32),),
)


def order_with(recipe: EffectiveRecipe) -> BuildOrder:
    return replace(sample_order(), recipe=recipe, recipe_digest=recipe.digest)


def predicate_of(order: BuildOrder, *, agent_sha256: str | None = "5a" * 32) -> Mapping[str, Any]:
    wheel = replace(
        sample_wheel(), filename=FILE, sha256=SHA256, build_requirements=(REQUIREMENT,), builder_image=BUILDER
    )
    run = BuildRun(
        build_id="b1",
        attempt=1,
        started_at=BEGINNING,
        finished_at=BEGINNING,
        images={BUILDER: CONTENT},
        agent_sha256=agent_sha256,
    )
    return describe_build(order, wheel, run, Signing(builder_id="urn:wheelyard:builder:w", version="0", at=BEGINNING))


def provenance_of(predicate: Mapping[str, Any], *, sha256: str = SHA256) -> bytes:
    statement = base64.b64encode(write_statement(FILE, sha256, SLSA, predicate)).decode()
    return write_provenance({"kind": "Wheelyard"}, [{"version": 1, "envelope": {"statement": statement}}])


def read(provenance: bytes) -> RecordedBuild:
    return read_recorded(provenance, filename=FILE, sha256=SHA256)
