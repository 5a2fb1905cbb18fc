"""A build of a commit: fetched, made into an sdist in a sandbox, and then built as any sdist, with its own version."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.engine import MemoryEngine, Script, ScriptedAgent
from tests.fakes.git import MemoryRepositories
from tests.unit.pipeline_harness import (
    REPAIR_REPORT,
    PipelineHarness,
    honest_verify,
    make_harness,
    make_wheel,
)

from wheelyard.domain.builds.build import SdistSource, SourceKind, Stage
from wheelyard.domain.builds.git_source import GitOrigin
from wheelyard.errors import BuildFailedError, InvalidSdistError, UntrustedOutputError
from wheelyard.pipeline.job import Job, known

COMMIT = "0123456789abcdef0123456789abcdef01234567"
VERSION = "1.0.dev0+g0123456789ab"
ORIGIN = GitOrigin(url="https://git.example/acme/demo", ref="v1.0", commit=COMMIT, tag="v1.0")
SDIST = b"the sdist that the sandbox made"


class CommitHarness:
    def __init__(self, folder: Path, origin: GitOrigin = ORIGIN) -> None:
        self.pipeline: PipelineHarness = make_harness(folder)
        source = SdistSource(filename="", url=str(origin), sha256="", size_bytes=None, kind=SourceKind.GIT, git=origin)
        self.pipeline.order = replace(self.pipeline.order, version="0", sdist=source)
        self.git = MemoryRepositories(folder=folder)
        self.jobs: list[dict[str, Any]] = []

    async def go(self, *scripts: Script, until: Stage = Stage.PUBLISH) -> Job:
        self.pipeline.engine = MemoryEngine(*scripts)
        tools = replace(self.pipeline.tools, repositories=self.git)
        job = self.pipeline.job
        for step in self.pipeline.steps:
            job = await step.act(job, tools)
            if step.stage is until:
                break
        return job

    def making(self, name: str = "demo-1.0.tar.gz", **report: object) -> Script:
        async def script(agent: ScriptedAgent) -> None:
            self.jobs.append(await agent.receive())
            agent.send("need", requirements=[])
            await agent.receive()
            agent.send_file(name, SDIST)
            agent.send("report", **{"sdist": name, "pointers": 0, **report})

        return script

    def building(self, version: str = VERSION) -> Script:
        async def script(agent: ScriptedAgent) -> None:
            self.jobs.append(await agent.receive())
            assert agent.files[self.jobs[-1]["sdist"]].data == SDIST
            name = f"demo-{version}-py3-none-any.whl"
            agent.send_file(name, make_wheel(name, version=version))
            agent.send("report", wheel=name, epoch=1_700_000_000, sources=[])

        return script


def repairing(version: str = VERSION) -> Script:
    async def script(agent: ScriptedAgent) -> None:
        await agent.receive()
        name = f"demo-{version}-1.bookworm-py3-none-any.whl"
        agent.send_file(name, make_wheel(name, version=version))
        agent.send("report", wheel=name, **REPAIR_REPORT)

    return script


async def test_commit_is_published_as_a_development_version(tmp_path: Path) -> None:
    harness = CommitHarness(tmp_path)
    job = await harness.go(harness.making(), harness.building(), repairing(), honest_verify)
    assert list(harness.pipeline.index.files) == [("demo", f"demo-{VERSION}-1.bookworm-py3-none-any.whl")]
    order = job.claim.order
    assert (order.version, order.sdist.filename) == (VERSION, "demo-1.0.tar.gz")
    assert known(order.sdist.git).version == "1.0"
    making, building = harness.jobs
    assert (making["kind"], making["tag"], making["time"]) == ("make-sdist", "v1.0", 1_700_000_000)
    assert building["relabel"] == {"made": "1.0", "version": VERSION}


async def test_sdist_is_made_with_git_and_the_wheel_is_built_without_it(tmp_path: Path) -> None:
    harness = CommitHarness(tmp_path)
    await harness.go(harness.making(), until=Stage.PREPARE)
    builder = "builder-bookworm-3.13"
    assert sorted(harness.pipeline.images.asked) == sorted([f"{builder}+git", builder, "runtime-bookworm-3.13"])


async def test_release_of_an_own_project_keeps_its_version(tmp_path: Path) -> None:
    harness = CommitHarness(tmp_path, replace(ORIGIN, may_release=True))
    await harness.go(harness.making(), harness.building("1.0"), repairing("1.0"), honest_verify)
    assert harness.jobs[1]["relabel"] is None
    assert list(harness.pipeline.index.files) == [("demo", "demo-1.0-1.bookworm-py3-none-any.whl")]


async def test_sdist_that_was_made_before_is_used_again_without_git(tmp_path: Path) -> None:
    harness = CommitHarness(tmp_path)
    first = await harness.go(harness.making(), until=Stage.PREPARE)
    again = await harness.go(until=Stage.PREPARE)
    assert again.claim.order == first.claim.order
    assert harness.git.fetched == [COMMIT]


async def test_warning_of_a_moved_tag_is_in_the_log_and_with_the_wheel(tmp_path: Path) -> None:
    moved = replace(ORIGIN, moved_from="fe" * 20)
    harness = CommitHarness(tmp_path, moved)
    job = await harness.go(harness.making(), harness.building(), repairing(), honest_verify)
    assert known(job.wheel).warnings == moved.warnings
    assert f"warning: {moved.warnings[0]}" in harness.pipeline.log.text


async def test_submodules_are_sent_with_their_folders(tmp_path: Path) -> None:
    harness = CommitHarness(tmp_path)
    harness.git.modules = ("vendor/a", "vendor/a/b")
    await harness.go(harness.making(), until=Stage.PREPARE)
    assert [pack["path"] for pack in harness.jobs[0]["packs"]] == ["", "vendor/a", "vendor/a/b"]


async def test_wheel_with_the_version_of_the_release_is_refused(tmp_path: Path) -> None:
    harness = CommitHarness(tmp_path)
    with pytest.raises(UntrustedOutputError):
        await harness.go(harness.making(), harness.building("1.0"), repairing("1.0"))


@pytest.mark.parametrize("name", ["other-1.0.tar.gz", "demo.tar.gz", "demo-x.tar.gz", "demo-1.0.tar", "demo-1.0-1.whl"])
async def test_sdist_of_another_name_is_refused(tmp_path: Path, name: str) -> None:
    harness = CommitHarness(tmp_path)
    with pytest.raises(InvalidSdistError):
        await harness.go(harness.making(name), until=Stage.PREPARE)
    assert harness.git.sdists == {}


async def test_report_of_an_sdist_that_was_not_sent_is_refused(tmp_path: Path) -> None:
    harness = CommitHarness(tmp_path)
    with pytest.raises(UntrustedOutputError):
        await harness.go(harness.making(sdist="demo-2.0.tar.gz"), until=Stage.PREPARE)


async def test_backend_that_makes_no_sdist_fails_the_build_in_its_stage(tmp_path: Path) -> None:
    async def failing(agent: ScriptedAgent) -> None:
        await agent.receive()
        agent.send("failure", code="build-failed", exit_reason="no sdist was made: it ended with exit code 1")

    with pytest.raises(BuildFailedError) as caught:
        await CommitHarness(tmp_path).go(failing, until=Stage.PREPARE)
    assert "no sdist was made" in str(caught.value)
