"""The tools of a rebuild: recorded build requirements, the recorded builder image, and other surroundings."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tests.contract.samples import TARGET, sample_order
from tests.fakes.engine import MemoryEngine, ScriptedAgent
from tests.fakes.images import MemoryImages
from tests.fakes.sources import MemorySourceIndex
from tests.unit.pipeline_harness import LIMITS, TextLog
from tests.unit.recorded_samples import predicate_of, provenance_of, read

from wheelyard.adapters.engine.surroundings import OtherSurroundings
from wheelyard.adapters.images.recorded import RecordedImages
from wheelyard.adapters.resolver.recorded import RecordedWheels
from wheelyard.domain.catalogue.sbom import ImageContent
from wheelyard.domain.provenance.recorded import RecordedBuild, RecordedImage, RecordedWheel
from wheelyard.errors import EngineCommandError, IndexUnavailableError, NotRebuildableError
from wheelyard.interfaces import ContainerSpec

SETUPTOOLS = "setuptools-80.0.0-py3-none-any.whl"
RECORDED = RecordedImage(id="sha256:old", packages=frozenset({("libc6", "2.36-8")}), pythons=frozenset())
SPEC = ContainerSpec(image="sha256:a", command=("/bin/agent", "-I"), limits=LIMITS, labels={}, env={"LANG": "C.UTF-8"})


def build_with(*wheels: tuple[str, bytes]) -> RecordedBuild:
    recorded = read(provenance_of(predicate_of(sample_order())))
    return replace(
        recorded,
        requirements=tuple(
            RecordedWheel(filename=name, sha256=hashlib.sha256(content).hexdigest()) for name, content in wheels
        ),
    )


async def test_recorded_wheels_answer_whatever_is_asked(tmp_path: Path) -> None:
    source = MemorySourceIndex(tmp_path)
    source.add("setuptools-81.0.0-py3-none-any.whl", b"newer")
    wanted = source.add(SETUPTOOLS, b"that one")
    resolver = RecordedWheels(source, build_with((SETUPTOOLS, b"that one")))
    assert await resolver.resolve(["setuptools>=81", "cython"], target=TARGET) == (wanted,)


@pytest.mark.parametrize("on_index", [[], [("setuptools-81.0.0-py3-none-any.whl", b"newer")], [(SETUPTOOLS, b"other")]])
async def test_wheel_that_is_gone_or_altered_is_named(tmp_path: Path, on_index: Sequence[tuple[str, bytes]]) -> None:
    source = MemorySourceIndex(tmp_path)
    for name, content in on_index:
        source.add(name, content)
    with pytest.raises(NotRebuildableError, match=f"its build requirement {SETUPTOOLS} .* is not on the upstream"):
        await RecordedWheels(source, build_with((SETUPTOOLS, b"that one"))).resolve([], target=TARGET)


async def test_index_that_does_not_answer_is_no_proof_that_a_wheel_is_gone(tmp_path: Path) -> None:
    source = MemorySourceIndex(tmp_path)
    source.project_fault = IndexUnavailableError(index="https://index.example", reason="it answered 503")
    with pytest.raises(IndexUnavailableError):
        await RecordedWheels(source, build_with((SETUPTOOLS, b""))).resolve([], target=TARGET)


class EngineWithout(MemoryImages):
    """An engine that has lost the recorded image."""

    async def content(self, image: str) -> ImageContent:
        if image == RECORDED.id:
            raise EngineCommandError(command=("docker", "run"), output="No such image")
        return await super().content(image)


async def builder_from(images: RecordedImages, log: TextLog) -> str:
    return await images.builder(
        suite="bookworm", python="3.13", architecture="x86_64", apt=["libyaml-dev"], toolchains=[], log=log
    )


async def test_recorded_builder_is_used_if_the_engine_has_it() -> None:
    inner, log = MemoryImages(), TextLog()
    images = RecordedImages(inner, RECORDED)
    assert (await builder_from(images, log), inner.asked, images.changes) == (RECORDED.id, [], ())


async def test_builder_of_today_is_used_with_its_changes_if_that_one_is_gone() -> None:
    log = TextLog()
    images = RecordedImages(EngineWithout(), RECORDED)
    assert await builder_from(images, log) == "builder-bookworm-3.13+libyaml-dev"
    assert images.changes == ("libc6 2.36-9 in place of 2.36-8",)
    assert "its builder image is no longer on this engine" in log.text
    assert "libc6 2.36-9 in place of 2.36-8" in log.text


async def test_the_rest_is_as_it_is_today(tmp_path: Path) -> None:
    inner, log = MemoryImages(), TextLog()
    inner.managers, inner.folder = {"bookworm": "dnf"}, tmp_path
    images = RecordedImages(inner, RECORDED)
    runtime = await images.runtime(suite="bookworm", python="3.13", architecture="x86_64", log=log)
    await images.note_use([runtime])
    assert runtime == "runtime-bookworm-3.13"
    assert inner.used == [(runtime,)]
    assert images.package_manager("bookworm") == "dnf"
    assert await images.installer(suite="bookworm", architecture="aarch64", log=log) == tmp_path / "uv-aarch64"
    assert (await images.content(runtime)).name == runtime


async def _end_at_once(agent: ScriptedAgent) -> None:
    del agent


async def test_containers_get_other_surroundings_and_the_same_limits() -> None:
    inner = MemoryEngine(_end_at_once)
    engine = OtherSurroundings(inner)
    async with engine.run(SPEC, log=TextLog()):
        await asyncio.sleep(0)  # it begins
    (ran,) = inner.runs
    assert ran.hostname != SPEC.hostname
    assert ran.processors == "0"
    assert {name: ran.env[name] for name in ("LC_ALL", "TZ")} == {"LC_ALL": "C", "TZ": "Pacific/Kiritimati"}
    assert ran.command == ("/bin/sh", "-c", 'umask 0077; exec "$@"', "sh", *SPEC.command)
    assert (ran.image, ran.limits, ran.network) == (SPEC.image, SPEC.limits, SPEC.network)
    await engine.ping()
    assert await engine.remove_leftovers({}) == 0
