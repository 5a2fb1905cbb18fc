"""Crates on their way into a build: who has a network, what is asked of whom, and what a container may not ask for."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.engine import Script, ScriptedAgent
from tests.fakes.sources import MemoryCrates
from tests.unit.pipeline_harness import (
    PURE,
    PipelineHarness,
    honest_build,
    honest_repair,
    honest_verify,
    make_harness,
    make_wheel,
)

from wheelyard.adapters.engine.command import EngineCommand
from wheelyard.adapters.engine.containers import ContainerEngine
from wheelyard.adapters.upstream.cache import ContentCache
from wheelyard.adapters.upstream.crates import CrateArchives
from wheelyard.domain.recipes.effective import EffectiveRecipe
from wheelyard.errors import (
    CratesRefusedError,
    CratesUnavailableError,
    DiskFullError,
    ToolchainTooOldError,
    UntrustedOutputError,
    WheelyardError,
)
from wheelyard.interfaces import CrateCache, Network
from wheelyard.metrics import CacheLookups
from wheelyard.pipeline.build import build
from wheelyard.pipeline.repair import repair
from wheelyard.pipeline.verify import verify

PACKAGE = '[package]\nname = "demo"\nversion = "1.0.0"\nbuild = "build.rs"\n'
ASKED: Mapping[str, Any] = {"what": "crates", "files": {"Cargo.toml": PACKAGE}, "named": []}


@pytest.fixture
def rust(tmp_path: Path) -> PipelineHarness:
    harness = make_harness(tmp_path, EffectiveRecipe(toolchains=("rust>=1.85",)))
    (tmp_path / "job").mkdir()
    return harness


def needing(*asked: Mapping[str, Any], got: list[Any] | None = None) -> Script:
    async def script(agent: ScriptedAgent) -> None:
        job = await agent.receive()
        for need in asked:
            agent.send("need", **need)
            answer = await agent.receive()
            if got is not None:
                got.extend([job, answer, agent.files[answer["crates"]].data])
        agent.send_file(PURE, make_wheel())
        agent.send("report", wheel=PURE, epoch=1, sources=[])

    return script


def prefetching(seen: list[Any]) -> Script:
    async def script(agent: ScriptedAgent) -> None:
        job = await agent.receive()
        seen.extend([job, agent.files])
        agent.send_file("crates.tar.gz", b"the crates")
        agent.send("report")

    return script


def failing(code: str, **details: object) -> Script:
    async def script(agent: ScriptedAgent) -> None:
        await agent.receive()
        agent.send("failure", code=code, **details)

    return script


async def test_crates_are_fetched_in_a_container_of_their_own_and_sent_in(
    rust: PipelineHarness, tmp_path: Path
) -> None:
    got: list[Any] = []
    seen: list[Any] = []
    rust.engine.scripts = [needing(ASKED, got=got), prefetching(seen)]
    rust.ca_bundle = tmp_path / "bundle.pem"
    rust.ca_bundle.write_bytes(b"certificates")
    await build(rust.prepared, rust.tools)
    job, answer, crates = got
    assert (job["toolchains"], job["crates"]) == (["rust>=1.85"], True)
    assert (answer["crates"], crates) == ("crates.tar.gz", b"the crates")
    vendor, files = seen
    assert (vendor["kind"], vendor["roots"], vendor["unlocked"]) == ("vendor", ["Cargo.toml"], ["Cargo.toml"])
    assert "build.rs" not in vendor["files"]["Cargo.toml"]
    assert files["ca.pem"].data == b"certificates"
    assert "no Cargo.lock beside Cargo.toml" in rust.log.text


async def test_only_the_prefetcher_has_a_network(rust: PipelineHarness) -> None:
    rust.engine.scripts = [needing(ASKED), prefetching([]), honest_repair, honest_verify]
    job = await build(rust.prepared, rust.tools)
    await verify(await repair(job, rust.tools), rust.tools)
    stages = [(spec.labels["org.wheelyard.stage"], spec.network) for spec in rust.engine.runs]
    assert stages == [("build", "none"), ("prefetch", "prefetch"), ("repair", "none"), ("verify", "none")]


async def test_prefetcher_has_the_same_limits_and_no_sdist(rust: PipelineHarness) -> None:
    seen: list[Any] = []
    rust.engine.scripts = [needing(ASKED), prefetching(seen)]
    await build(rust.prepared, rust.tools)
    inner, outer = rust.engine.runs
    assert (outer.limits, outer.image) == (inner.limits, inner.image)
    assert seen[1] == {}


async def test_equal_manifests_are_fetched_once(rust: PipelineHarness, tmp_path: Path) -> None:
    rust.engine.scripts = [needing(ASKED), prefetching([]), needing(ASKED)]
    await build(rust.prepared, rust.tools)
    again = replace(rust.prepared, folder=tmp_path / "again")
    again.folder.mkdir()
    await build(again, rust.tools)
    assert [spec.network for spec in rust.engine.runs] == ["none", "prefetch", "none"]
    assert "crates: found in the cache" in rust.log.text


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ([{**ASKED, "files": None}], "its need of crates has no files"),
        ([{**ASKED, "files": {"Cargo.toml": 1}}], "its need of crates has no files"),
        ([ASKED, ASKED], "it asks for crates a second time"),
    ],
)
async def test_need_that_is_not_of_the_agreed_form_is_refused(
    rust: PipelineHarness, asked: list[Mapping[str, Any]], reason: str
) -> None:
    rust.engine.scripts = [needing(*asked), prefetching([])]
    with pytest.raises(UntrustedOutputError, match=reason):
        await build(rust.prepared, rust.tools)


async def test_container_of_a_recipe_without_rust_gets_no_crates(pipeline: PipelineHarness) -> None:
    pipeline.engine.scripts = [needing(ASKED)]
    with pytest.raises(UntrustedOutputError, match="its recipe asks for no Rust"):
        await build(pipeline.prepared, pipeline.tools)
    assert [spec.network for spec in pipeline.engine.runs] == ["none"]


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"Cargo.toml": f"{PACKAGE}[dependencies]\nx = {{ git = 'x' }}"}, "x is taken from a git repository"),
        ({"Cargo.toml": "["}, "Cargo.toml: "),
        ({"Cargo.toml": "a = " + "[" * 100_000}, "nested deeper"),
        ({"../Cargo.toml": PACKAGE}, "is not the path of a Cargo manifest"),
    ],
)
async def test_what_may_not_be_fetched_is_refused_before_anything_has_a_network(
    rust: PipelineHarness, files: Mapping[str, str], reason: str
) -> None:
    rust.engine.scripts = [needing({**ASKED, "files": files})]
    with pytest.raises(CratesRefusedError, match=reason):
        await build(rust.prepared, rust.tools)
    assert len(rust.engine.runs) == 1


@pytest.mark.parametrize(
    ("code", "kind"),
    [("crates-refused", CratesRefusedError), ("crates-unavailable", CratesUnavailableError)],
)
async def test_prefetcher_says_who_is_at_fault(rust: PipelineHarness, code: str, kind: type[WheelyardError]) -> None:
    rust.engine.scripts = [needing(ASKED), failing(code, reason="cargo's own words")]
    with pytest.raises(kind, match="cargo's own words") as caught:
        await build(rust.prepared, rust.tools)
    assert caught.value.retryable is (kind is CratesUnavailableError)


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("failed to parse manifest: feature `edition2024` is required", "a newer Rust"),
        ("package `demo v2.0.0` cannot be built because it requires rustc 1.85 or newer", "a newer Rust"),
        (
            "lock file version `4` was found, but this version of Cargo does not understand this lock file",
            "a newer Rust",
        ),
        ("no matching package named `demo` found", "Only crates of crates.io"),
    ],
)
async def test_crates_that_want_a_newer_rust_lead_to_a_newer_suite(
    rust: PipelineHarness, words: str, hint: str
) -> None:
    rust.engine.scripts = [needing(ASKED), failing("crates-refused", reason=words)]
    with pytest.raises(CratesRefusedError) as caught:
        await build(rust.prepared, rust.tools)
    assert hint in caught.value.hint


async def test_prefetcher_that_sends_nothing_is_refused(rust: PipelineHarness) -> None:
    rust.engine.scripts = [needing(ASKED), honest_build]
    with pytest.raises(UntrustedOutputError, match="it sent no crates"):
        await build(rust.prepared, rust.tools)


async def test_image_that_has_less_than_the_catalogue_promises_is_named(rust: PipelineHarness) -> None:
    rust.engine.scripts = [failing("toolchain-too-old", toolchain="rust", have="1.63", want="rust>=1.85")]
    with pytest.raises(ToolchainTooOldError, match=r"wants rust>=1\.85, and .* bookworm has rust 1\.63"):
        await build(rust.prepared, rust.tools)


@pytest.mark.parametrize(
    ("network", "wanted", "said"),
    [
        (Network.NONE, None, "--network none"),
        (Network.NONE, "host", "--network none"),
        (Network.PREFETCH, "host", "--network host"),
        (Network.PREFETCH, None, None),
        (Network.RECIPE, None, "--network bridge"),
        (Network.RECIPE, "host", "--network bridge"),
    ],
)
async def test_engine_gives_a_network_only_where_it_is_asked_for(
    rust: PipelineHarness, tmp_path: Path, *, network: Network, wanted: str | None, said: str | None
) -> None:
    program = tmp_path / "engine"
    program.write_text('#!/bin/sh\necho "$*"\n')
    program.chmod(0o755)
    await build(rust.prepared, replace(rust.tools, engine=rust.engine))
    spec = replace(rust.engine.runs[0], network=network)
    engine = ContainerEngine(EngineCommand(program=str(program)), prefetch_network=wanted, recipe_network="bridge")
    async with engine.run(spec, log=rust.log) as container:
        line = (await container.read_line(1 << 16)).decode()
    assert (said in line) if said else ("--network" not in line)
    assert re.search(r"--user (\d{5}):\1 --cap-drop ALL --security-opt no-new-privileges .* --read-only", line)


@pytest.fixture(params=["memory", "disk"])
def cache(request: pytest.FixtureRequest, tmp_path: Path) -> CrateCache:
    if request.param == "memory":
        return MemoryCrates()
    return CrateArchives(ContentCache(root=tmp_path / "crates", floor_bytes=0))


async def test_archive_is_kept_by_its_key(cache: CrateCache, tmp_path: Path) -> None:
    archive = tmp_path / "crates.tar.gz"
    archive.write_bytes(b"crates")
    assert await cache.find("k1") is None
    kept = await cache.keep("k1", archive)
    assert kept.read_bytes() == b"crates"
    assert (await cache.find("k1"), await cache.find("k2")) == (kept, None)
    assert await cache.keep("k1", archive) == kept


async def test_lookups_are_counted(tmp_path: Path) -> None:
    archive, lookups = tmp_path / "crates.tar.gz", CacheLookups()
    archive.write_bytes(b"crates")
    cache = CrateArchives(ContentCache(root=tmp_path / "crates", floor_bytes=0), lookups=lookups)
    await cache.find("k1")
    await cache.keep("k1", archive)
    await cache.find("k1")
    assert [(one.labels, one.count) for one in lookups.take()] == [(("crates", "hit"), 1), (("crates", "miss"), 1)]


async def test_archive_that_has_rotted_is_not_used(tmp_path: Path) -> None:
    archive = tmp_path / "crates.tar.gz"
    archive.write_bytes(b"crates")
    cache = CrateArchives(ContentCache(root=tmp_path / "crates", floor_bytes=0))
    (await cache.keep("k1", archive)).write_bytes(b"rotten")
    assert await cache.find("k1") is None


async def test_full_disk_keeps_no_archive(tmp_path: Path) -> None:
    archive = tmp_path / "crates.tar.gz"
    archive.write_bytes(b"crates")
    cache = CrateArchives(ContentCache(root=tmp_path / "crates", floor_bytes=1 << 60))
    with pytest.raises(DiskFullError):
        await cache.keep("k1", archive)
    assert list((tmp_path / "crates").iterdir()) == []
