"""Folders for real: packed as the command line does, unpacked in a container, made into an sdist, built and proven."""

import subprocess
import tarfile
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.integration.container_harness import ContainerHarness, open_harness
from tests.integration.test_git_sources import NATIVE

from wheelyard.adapters.git.program import GitProgram
from wheelyard.adapters.git.repositories import GitOptions, GitRepositories
from wheelyard.cli.local.packing import pack_source
from wheelyard.domain.builds.build import Status
from wheelyard.domain.builds.git_source import GitHosts


@pytest.fixture
async def harness(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ContainerHarness]:
    async with open_harness(tmp_path_factory.mktemp("local"), f"test-{uuid.uuid4().hex}") as opened:
        yield opened


@pytest.fixture
def repositories(tmp_path: Path) -> GitRepositories:
    options = GitOptions(hosts=GitHosts(), root=tmp_path / "kept", limit_bytes=32 << 20, disk_floor_bytes=0)
    return GitRepositories(options, GitProgram())


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


async def test_changed_folder_becomes_a_proven_wheel_with_the_nearest_tag_s_version(
    tmp_path: Path, repositories: GitRepositories, harness: ContainerHarness
) -> None:
    folder = tmp_path / "checkout"
    folder.mkdir()
    for name, content in {**NATIVE, ".gitignore": b"*.log\n"}.items():
        (folder / name).write_bytes(content)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=first")
    git(folder, "tag", "v1.2")
    (folder / "gitdemo.py").write_text("import _gitdemo\nCHANGED = True\n")
    (folder / "build.log").write_text("ignored")
    sent = pack_source(str(folder))
    with sent.file:
        run = harness.run_of("gitdemo", sent=sent, repositories=repositories)
        build = await run.go()

    assert build.status is Status.SUCCEEDED, run.log()
    assert build.wheel is not None
    source = build.order.sdist
    assert source.local is not None
    mark = f"l{source.local.sha256[:12]}"
    assert (source.local.commit, source.local.tag, source.local.version) == (None, "v1.2", "1.2")
    assert build.order.version == f"1.2.dev0+{mark}"
    assert build.wheel.filename.startswith(f"gitdemo-1.2.dev0+{mark}-1.bookworm-cp313-cp313-manylinux")
    assert {"_gitdemo", "gitdemo"} <= set(build.wheel.imported_modules)
    (kept,) = (tmp_path / "kept" / "sdists").glob("*/*/*")
    with tarfile.open(kept) as sdist:
        # setuptools-scm finds the header, which only git's list of files names, by the sandbox's repository.
        assert "gitdemo-1.2/answer.h" in sdist.getnames()
        changed = sdist.extractfile("gitdemo-1.2/gitdemo.py")
        assert changed is not None
        assert b"CHANGED" in changed.read()
        assert [name for name in sdist.getnames() if ".git/" in name or name.endswith(".log")] == []
