"""Sources in git, for real: served over HTTP, fetched by git, made into an sdist in a container, built and proven."""

import hashlib
import tarfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.integration.container_harness import ContainerHarness, PackageRun, open_harness
from tests.integration.git_host import git_host
from tests.integration.git_repository import TIME, Repository

from wheelyard.adapters.git.program import GitProgram
from wheelyard.adapters.git.repositories import GitOptions, GitRepositories
from wheelyard.domain.builds.build import Build, Status
from wheelyard.domain.builds.git_source import GitHosts, GitOrigin, GitRequest
from wheelyard.domain.recipes.effective import EffectiveRecipe
from wheelyard.errors import GitRefUnknownError, GitUnavailableError

NATIVE = {
    "pyproject.toml": b"""[build-system]
requires = ["setuptools", "setuptools-scm"]
build-backend = "setuptools.build_meta"

[project]
name = "gitdemo"
dynamic = ["version"]

[tool.setuptools]
py-modules = ["gitdemo"]
ext-modules = [{name = "_gitdemo", sources = ["_gitdemo.c"]}]

[tool.setuptools_scm]
""",
    "gitdemo.py": b"import _gitdemo\n",
    "_gitdemo.c": b"""#include <Python.h>
#include "answer.h"
static PyModuleDef demo = {PyModuleDef_HEAD_INIT, "_gitdemo", NULL, ANSWER, NULL, NULL, NULL, NULL, NULL};
PyMODINIT_FUNC PyInit__gitdemo(void) { return PyModule_Create(&demo); }
""",
    # Only git's list of files brings it into the sdist.
    "answer.h": b"#define ANSWER -1\n",
}
PURE = {
    "pyproject.toml": b'[build-system]\nrequires = ["flit_core"]\nbuild-backend = "flit_core.buildapi"\n\n'
    b'[project]\nname = "puredemo"\nversion = "2.0"\ndescription = "demo"\n',
    "puredemo.py": b'"""Demo."""\n',
}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "served").mkdir()
    with git_host(tmp_path / "served") as address:
        yield address


@pytest.fixture
def repositories(tmp_path: Path, served: str) -> GitRepositories:
    options = GitOptions(
        hosts=GitHosts.of([served]), root=tmp_path / "fetched", limit_bytes=32 << 20, disk_floor_bytes=0, seconds=30.0
    )
    return GitRepositories(options, GitProgram())


@pytest.fixture
async def harness(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ContainerHarness]:
    async with open_harness(tmp_path_factory.mktemp("git"), f"test-{uuid.uuid4().hex}") as opened:
        yield opened


async def test_a_tag_a_branch_and_a_commit_are_resolved_to_the_same_commit(
    tmp_path: Path, served: str, repositories: GitRepositories
) -> None:
    repository = Repository(tmp_path / "served", "demo.git")
    commit = repository.commit(PURE, tag="v2.0")
    url = f"{served}/demo.git"

    found = {
        ref: await repositories.resolve(GitRequest.of(url=url, ref=ref))
        for ref in ("v2.0", "main", commit, "HEAD", "refs/heads/main")
    }

    assert {one.commit for one in found.values()} == {commit}
    assert {ref for ref, one in found.items() if one.tag} == {"v2.0"}


async def test_unknown_ref_and_unknown_repository_are_told_apart(
    tmp_path: Path, served: str, repositories: GitRepositories
) -> None:
    Repository(tmp_path / "served", "demo.git").commit(PURE)
    with pytest.raises(GitRefUnknownError):
        await repositories.resolve(GitRequest.of(url=f"{served}/demo.git", ref="v9"))
    with pytest.raises(GitUnavailableError):
        await repositories.resolve(GitRequest.of(url=f"{served}/other.git", ref="v9"))


async def test_commit_is_fetched_once_with_its_time_and_the_files_that_name_it(
    tmp_path: Path, served: str, repositories: GitRepositories
) -> None:
    repository = Repository(tmp_path / "served", "demo.git")
    commit = repository.commit(PURE)
    origin = GitOrigin(url=f"{served}/demo.git", ref="main", commit=commit)

    files = await repositories.fetch(origin)
    (tmp_path / "served" / "demo.git").rename(tmp_path / "gone")
    again = await repositories.fetch(origin)

    assert again == files
    assert (files.time, files.texts) == (TIME, {"pyproject.toml": PURE["pyproject.toml"].decode()})


async def test_commit_that_no_ref_has_any_more_is_not_replaced_by_another(
    tmp_path: Path, served: str, repositories: GitRepositories
) -> None:
    repository = Repository(tmp_path / "served", "demo.git")
    repository.git("config", "uploadpack.allowAnySHA1InWant", "false")
    repository.commit(PURE)
    origin = GitOrigin(url=f"{served}/demo.git", ref="main", commit="ab" * 20)
    with pytest.raises(GitUnavailableError):
        await repositories.fetch(origin)


async def _build(
    harness: ContainerHarness, repositories: GitRepositories, project: str, origin: GitOrigin
) -> tuple[PackageRun, Build]:
    run = harness.run_of(project, origin=origin, repositories=repositories, recipe=EffectiveRecipe())
    return run, await run.go()


async def test_commit_becomes_a_proven_wheel_that_names_it(
    tmp_path: Path, served: str, repositories: GitRepositories, harness: ContainerHarness
) -> None:
    commit = Repository(tmp_path / "served", "demo.git").commit(NATIVE, tag="v1.2")
    origin = GitOrigin(url=f"{served}/demo.git", ref="v1.2", commit=commit, tag="v1.2", moved_from="cd" * 20)

    run, build = await _build(harness, repositories, "gitdemo", origin)

    assert build.status is Status.SUCCEEDED, run.log()
    assert build.wheel is not None
    assert build.order.version == f"1.2.dev0+g{commit[:12]}"
    assert build.wheel.filename.startswith(f"gitdemo-1.2.dev0+g{commit[:12]}-1.bookworm-cp313-cp313-manylinux")
    assert "_gitdemo" in build.wheel.imported_modules
    assert "gitdemo" in build.wheel.imported_modules
    assert build.wheel.warnings == origin.warnings
    source = build.order.sdist
    assert source.git is not None
    assert (source.filename, source.git.commit, source.git.version) == ("gitdemo-1.2.tar.gz", commit, "1.2")
    (kept,) = (tmp_path / "fetched" / "sdists").glob("*/*/*")
    assert hashlib.sha256(kept.read_bytes()).hexdigest() == source.sha256
    with tarfile.open(kept) as sdist:
        assert {member.mtime for member in sdist} == {TIME}
        assert "gitdemo-1.2/answer.h" in sdist.getnames()
        assert [name for name in sdist.getnames() if ".git/" in name] == []


async def test_own_project_s_tag_is_a_release_and_the_same_commit_gives_the_same_sdist(
    tmp_path: Path, served: str, repositories: GitRepositories, harness: ContainerHarness
) -> None:
    repository = Repository(tmp_path / "served", "demo.git")
    repository.commit({f"parts/one/{name}": content for name, content in PURE.items()}, tag="v2.0")
    origin = GitOrigin(
        url=f"{served}/demo.git",
        ref="v2.0",
        commit=repository.git("rev-parse", "HEAD"),
        tag="v2.0",
        subdirectory="parts/one",
        may_release=True,
    )

    first, released = await _build(harness, repositories, "puredemo", origin)
    _, again = await _build(harness, repositories, "puredemo", origin)

    assert released.status is Status.SUCCEEDED, first.log()
    assert released.wheel is not None
    assert again.wheel is not None
    assert released.wheel.filename == "puredemo-2.0-1.bookworm-py2.py3-none-any.whl"
    assert again.order.sdist == released.order.sdist
    assert again.wheel.sha256 == released.wheel.sha256


async def test_commit_of_another_project_than_the_ordered_one_is_refused(
    tmp_path: Path, served: str, repositories: GitRepositories, harness: ContainerHarness
) -> None:
    commit = Repository(tmp_path / "served", "demo.git").commit(PURE)
    origin = GitOrigin(url=f"{served}/demo.git", ref="main", commit=commit)

    _, build = await _build(harness, repositories, "gitdemo", origin)

    assert build.status is Status.FAILED
    assert build.failure is not None
    assert build.failure.code == "invalid-sdist"
    assert "puredemo" in build.failure.summary
