"""A request for a source in git: resolved when the order is made, named, and never a release by accident."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.fakes.builds import MemoryBuilds
from tests.fakes.git import MemoryRepositories
from tests.fakes.images import MemoryRecipes
from tests.fakes.records import MemoryState
from tests.fakes.sources import MemorySourceIndex

from wheelyard.domain.builds.build import BuildOrder, SourceKind
from wheelyard.domain.builds.git_source import GitRequest
from wheelyard.domain.catalogue.catalogue import parse_catalogue
from wheelyard.domain.packaging.own_projects import OwnProjects
from wheelyard.errors import GitHostRefusedError, GitProjectUnknownError, GitRefUnknownError
from wheelyard.interfaces import GitCommit
from wheelyard.resources import data_path
from wheelyard.usecases.request_build import BuilderFacts, BuildRequest, RequestBuild

ONE, OTHER = "0123456789abcdef" * 2 + "01234567", "fedcba9876543210" * 2 + "fedcba98"
URL = "https://git.example/acme/demo"
PYPROJECT = {"pyproject.toml": '[project]\nname = "demo"\nversion = "1.2"\n'}


class Harness:
    def __init__(self, folder: Path, *, own: tuple[str, ...] = (), git: bool = True) -> None:
        catalogue = parse_catalogue((data_path("builders") / "builders.toml").read_text(encoding="utf-8"))
        self.git = MemoryRepositories(folder=folder, refs={"v1.2": GitCommit(commit=ONE, tag="v1.2")}, texts=PYPROJECT)
        facts = BuilderFacts(
            catalogue=catalogue,
            definitions={(one.policy.architecture, one.suite, one.python): "d" for one in catalogue.builders()},
            agent_digest="a",
            build_number=1,
            own_projects=OwnProjects.of(own),
        )
        self.request = RequestBuild(
            source=MemorySourceIndex(folder),
            store=MemoryBuilds(MemoryState(clock=lambda: datetime.now(UTC))),
            recipes=MemoryRecipes(),
            facts=facts,
            repositories=self.git if git else None,
        )

    async def order(self, **wanted: str) -> BuildOrder:
        request = BuildRequest(
            requirement="",
            python="3.13",
            platform="manylinux_2_36_x86_64",
            requested_by="me",
            git=GitRequest.of(**{"url": URL, "ref": "v1.2", **wanted}),
        )
        return (await self.request(request)).build.order


async def test_order_and_its_key_hold_the_commit(tmp_path: Path) -> None:
    harness = Harness(tmp_path)
    order = await harness.order()
    assert order.sdist.git is not None
    assert (order.sdist.git.commit, order.sdist.git.tag, order.sdist.git.version) == (ONE, "v1.2", None)
    assert (order.sdist.kind, order.sdist.sha256) == (SourceKind.GIT, "")
    assert (order.project, order.version) == ("demo", "1.2.dev0+g0123456789ab")
    assert order.requirement == f"demo @ git+{URL}@v1.2"
    harness.git.refs["v1.2"] = GitCommit(commit=OTHER, tag="v1.2")
    assert (await harness.order()).key != order.key


async def test_same_commit_is_one_build_and_another_folder_is_another(tmp_path: Path) -> None:
    harness = Harness(tmp_path)
    keys = [(await harness.order(**wanted)).key for wanted in ({}, {}, {"subdirectory": "a"}, {"ref": ONE})]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3


async def test_moved_tag_is_noticed_once(tmp_path: Path) -> None:
    harness = Harness(tmp_path)
    first = await harness.order()
    harness.git.refs["v1.2"] = GitCommit(commit=OTHER, tag="v1.2")
    moved = await harness.order()
    assert first.sdist.git is not None
    assert moved.sdist.git is not None
    assert first.sdist.git.moved_from is None
    assert moved.sdist.git.moved_from == ONE
    assert ONE[:12] in moved.sdist.git.warnings[0]
    assert (await harness.order()).origin == moved.origin


async def test_tag_is_a_release_only_of_an_own_project(tmp_path: Path) -> None:
    own, other = Harness(tmp_path, own=("demo",)), Harness(tmp_path, own=("acme-*",))
    assert (await own.order()).version == "1.2"
    assert (await other.order()).version == "1.2.dev0+g0123456789ab"
    assert (await own.order(ref=ONE)).version == "1.2.dev0+g0123456789ab"


async def test_name_that_no_file_states_is_asked_of_the_caller(tmp_path: Path) -> None:
    harness = Harness(tmp_path)
    harness.git.texts = {}
    with pytest.raises(GitProjectUnknownError):
        await harness.order()
    order = await harness.order(project="Demo_X")
    assert (order.project, order.version) == ("demo-x", "1.2.dev0+g0123456789ab")


async def test_version_that_nobody_states_is_zero_until_the_sdist_is_made(tmp_path: Path) -> None:
    harness = Harness(tmp_path)
    harness.git.texts = {"pyproject.toml": '[project]\nname = "demo"\ndynamic = ["version"]\n'}
    assert (await harness.order(ref=ONE)).version == "0.dev0+g0123456789ab"


async def test_host_that_is_not_listed_is_never_asked(tmp_path: Path) -> None:
    harness = Harness(tmp_path)
    with pytest.raises(GitHostRefusedError):
        await harness.order(url="https://other.example/acme/demo")
    with pytest.raises(GitHostRefusedError):
        await Harness(tmp_path, git=False).order()
    assert harness.git.fetched == []


async def test_beginning_of_a_commit_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(GitRefUnknownError) as caught:
        await Harness(tmp_path).order(ref=ONE[:8])
    assert caught.value.hint == "Write all 40 digits of a commit."


async def test_changed_recipe_changes_the_key_of_a_commit_s_order(tmp_path: Path) -> None:
    harness = Harness(tmp_path)
    order = await harness.order()
    assert harness.request.with_recipe(order, order.recipe).key == order.key
    changed = replace(order.recipe, apt=("libyaml-dev",))
    assert harness.request.with_recipe(order, changed).key != order.key
