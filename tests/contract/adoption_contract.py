"""The contract of adoption: the recipe of a healed build becomes the project's, and nothing is built anew."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from tests.contract.samples import TARGET, sample_healing
from tests.contract.stores import FAILURE, SUCCESS, Stores
from tests.fakes.images import MemoryRecipes
from tests.fakes.parsers import InlineParsers
from tests.fakes.sources import MemorySourceIndex

from wheelyard.adapters.recipes.stored import StoredRecipes
from wheelyard.domain.access import AuditFilter
from wheelyard.domain.builds.records import Outcome, Submission
from wheelyard.domain.catalogue.catalogue import parse_catalogue
from wheelyard.domain.healing.healing import Healing
from wheelyard.domain.recipes.adoption import Adoption
from wheelyard.domain.recipes.recipe import Naming, judge_text
from wheelyard.errors import NothingToAdoptError
from wheelyard.resources import data_path
from wheelyard.usecases.recipes import ManageRecipes
from wheelyard.usecases.request_build import BuilderFacts, BuildRequest, RequestBuild

PYYAML = canonicalize_name("pyyaml")
HEAD = 'schema = 1\nname = "pyyaml"\n'


class ApiProcess:
    """One process of the API: what it orders with, and what it knows of recipes."""

    def __init__(self, stores: Stores, folder: Path, *, recipe: str = "", agent: str = "a1") -> None:
        catalogue = parse_catalogue((data_path("builders") / "builders.toml").read_text(encoding="utf-8"))
        source = MemorySourceIndex(folder)
        source.add("pyyaml-6.0.2.tar.gz", b"older sdist")
        source.add("pyyaml-6.0.3.tar.gz", b"sdist")
        choices = catalogue.builders()
        facts = BuilderFacts(
            catalogue=catalogue,
            definitions={(choice.policy.architecture, choice.suite, choice.python): "d" for choice in choices},
            agent_digest=agent,
            build_number=1,
        )
        found, _ = judge_text(recipe or HEAD, source="/book/pyyaml.toml", files={}, naming=Naming())
        assert found is not None
        self.folder = MemoryRecipes(*([found] if recipe else []))
        self.stores = stores
        self.recipes = StoredRecipes(stores.recipes, self.folder)
        self.request_build = RequestBuild(source=source, store=stores.builds, recipes=self.recipes, facts=facts)
        self.manage = ManageRecipes(
            store=stores.recipes,
            registry=self.recipes,
            refresh=self.recipes.refresh,
            builds=stores.builds,
            plan=self.request_build,
            parsers=InlineParsers(),
        )

    async def request(self, requirement: str = "pyyaml", platform: str = TARGET.platform) -> Submission:
        return await self.request_build(
            BuildRequest(requirement=requirement, python=TARGET.python, platform=platform, requested_by="bob")
        )

    async def heal(self, requirement: str = "pyyaml", *, healing: Healing | None = None) -> str:
        """Request a build that heals itself; gives its id."""
        return await self._finish(requirement, replace(SUCCESS, healing=healing or sample_healing()))

    async def fail(self, requirement: str = "pyyaml") -> str:
        """Request a build that fails and proposes a recipe; gives its id."""
        return await self._finish(requirement, replace(FAILURE, healing=sample_healing()))

    async def _finish(self, requirement: str, outcome: Outcome) -> str:
        submission = await self.request(requirement)
        assert not submission.joined
        build_id = submission.build.id
        assert await self.stores.attempts.finish(await self.stores.claimed(build_id), outcome)
        return build_id

    async def adopt(self, build_id: str | None = None) -> Adoption:
        return await self.manage.adopt("PyYAML", build_id=build_id, by="alice")

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not holds():  # noqa: ASYNC110  the registry tells nobody
                await asyncio.sleep(0.01)


class AdoptionContract:
    @pytest.fixture
    def process(self, stores: Stores, tmp_path: Path) -> ApiProcess:
        return ApiProcess(stores, tmp_path)

    async def test_equal_request_after_adoption_joins_the_healed_build(
        self, stores: Stores, process: ApiProcess
    ) -> None:
        healed = await process.heal()
        adoption = await process.adopt()
        assert (adoption.build_id, adoption.equal_build, adoption.is_new) == (healed, healed, True)
        assert adoption.recipe.text == sample_healing().recipe
        submission = await process.request()
        assert (submission.joined, submission.build.id) == (True, healed)
        assert submission.build.order.recipe.apt == ("libyaml-dev",)
        assert submission.build.order.recipe_digest == submission.build.order.recipe.digest
        entries = await stores.audit.list_entries(AuditFilter(object=PYYAML))
        assert [(one.change.action, one.change.details) for one in entries] == [
            ("recipe.adopted", {"revision": "1", "build": healed})
        ]

    async def test_other_releases_and_targets_are_built_with_the_adopted_recipe(self, process: ApiProcess) -> None:
        await process.heal()
        await process.adopt()
        older = await process.request("pyyaml==6.0.2")
        assert (older.joined, older.build.order.recipe.apt) == (False, ("libyaml-dev",))
        # The proposal is for one suite.
        newer = await process.request(platform="manylinux_2_41_x86_64")
        assert newer.build.order.recipe.apt == ()

    async def test_adopting_twice_changes_nothing_more(self, stores: Stores, process: ApiProcess) -> None:
        healed = await process.heal()
        first = await process.adopt()
        for again in (await process.adopt(), await process.adopt(healed)):
            assert (again.is_new, again.recipe, again.equal_build) == (False, first.recipe, healed)
        assert len(await stores.recipes.history(PYYAML, limit=10)) == 1

    async def test_rules_are_added_to_the_recipe_that_the_build_had(self, stores: Stores, tmp_path: Path) -> None:
        own = f"{HEAD}# ours\n[[rule]]\nenv = {{ CFLAGS = '-O1' }}  # slow\n"
        process = ApiProcess(stores, tmp_path, recipe=own)
        healed = await process.heal()
        adoption = await process.adopt()
        assert adoption.recipe.text.startswith(own)
        assert adoption.recipe.text.removeprefix(own) == sample_healing().recipe.removeprefix(HEAD)
        assert adoption.recipe.replaces == "/book/pyyaml.toml"
        submission = await process.request()
        assert (submission.joined, submission.build.id) == (True, healed)
        assert submission.build.order.recipe.env == (("CFLAGS", "-O1"),)

    async def test_recipe_that_changed_since_is_adopted_and_the_next_request_builds_anew(
        self, process: ApiProcess
    ) -> None:
        await process.heal()
        await process.manage.put("pyyaml", f"{HEAD}[[rule]]\nenv.CFLAGS = '-O1'\n", by="alice")
        adoption = await process.adopt()
        assert (adoption.is_new, adoption.equal_build) == (True, None)
        submission = await process.request()
        assert not submission.joined
        assert submission.build.order.recipe.apt == ("libyaml-dev",)

    async def test_wheel_of_an_older_builder_does_not_count(self, stores: Stores, tmp_path: Path) -> None:
        healed = await ApiProcess(stores, tmp_path / "old").heal()
        updated = ApiProcess(stores, tmp_path / "new", agent="a2")
        adoption = await updated.adopt(healed)
        assert (adoption.is_new, adoption.equal_build) == (True, None)
        assert not (await updated.request()).joined

    async def test_healing_that_says_less_than_its_recipe_does_not_count(self, process: ApiProcess) -> None:
        await process.heal(healing=replace(sample_healing(), rounds=()))
        assert (await process.adopt()).equal_build is None

    async def test_proposal_of_a_failed_build_is_adopted_only_by_name(self, process: ApiProcess) -> None:
        failed = await process.fail()
        with pytest.raises(NothingToAdoptError):
            await process.adopt()
        adoption = await process.adopt(failed)
        assert (adoption.is_new, adoption.equal_build) == (True, None)
        assert not (await process.request()).joined

    async def test_adoption_while_an_equal_build_is_there_leaves_that_one(self, process: ApiProcess) -> None:
        healed = await process.heal()
        await process.manage.put("pyyaml", sample_healing().recipe, by="alice")
        other = (await process.request()).build.id
        assert other != healed
        adoption = await process.adopt(healed)
        assert (adoption.is_new, adoption.equal_build) == (False, other)

    async def test_two_who_adopt_at_once_make_one_revision(
        self, stores: Stores, process: ApiProcess, tmp_path: Path
    ) -> None:
        healed = await process.heal()
        second = ApiProcess(stores, tmp_path / "second")
        adoptions = await asyncio.gather(process.adopt(), second.adopt())
        assert sorted(one.is_new for one in adoptions) == [False, True]
        assert {one.equal_build for one in adoptions} == {healed}
        assert len(await stores.recipes.history(PYYAML, limit=10)) == 1

    async def test_page_learns_whether_a_build_is_adopted(self, stores: Stores, process: ApiProcess) -> None:
        healed = await process.heal()
        assert not await process.manage.is_adopted(await stores.builds.get(healed))
        await process.adopt()
        assert await process.manage.is_adopted(await stores.builds.get(healed))
        await process.manage.remove("pyyaml", by="alice")
        assert not await process.manage.is_adopted(await stores.builds.get(healed))

    async def test_other_processes_see_a_change_by_themselves(
        self, stores: Stores, process: ApiProcess, tmp_path: Path
    ) -> None:
        healed = await process.heal()
        other = ApiProcess(stores, tmp_path / "other")
        following = asyncio.create_task(other.recipes.follow())
        await process.adopt()
        await other.until(lambda: other.recipes.find(PYYAML) is not None)
        submission = await other.request()
        assert (submission.joined, submission.build.id) == (True, healed)
        await process.manage.remove("pyyaml", by="alice")
        await other.until(lambda: other.recipes.find(PYYAML) is None)
        following.cancel()
