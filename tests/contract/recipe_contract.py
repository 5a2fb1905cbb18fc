"""The contract of the service's own recipes: revisions, and what an adopted build counts as."""

import asyncio
from dataclasses import replace

import pytest
from packaging.utils import canonicalize_name
from tests.contract.samples import sample_order
from tests.contract.stores import FAILURE, SUCCESS, Stores

from wheelyard.domain.access import AuditFilter
from wheelyard.domain.builds.build import BuildOrder, Status
from wheelyard.domain.healing.healing import Healing
from wheelyard.domain.recipes.effective import EffectiveRecipe
from wheelyard.domain.recipes.revision import AdoptedOrder, NewRevision
from wheelyard.errors import NotFoundError, RecipeChangedError

LXML, PYYAML = canonicalize_name("lxml"), canonicalize_name("pyyaml")
HEALED = replace(SUCCESS, healing=Healing(recipe='schema = 1\nname = "pyyaml"\n'))


def revision(text: str | None, *, build_id: str | None = None) -> NewRevision:
    return NewRevision(project=LXML, text=text, by="alice", build_id=build_id)


def with_packages(order: BuildOrder) -> BuildOrder:
    """Return the order that the healed build is to count as."""
    recipe = EffectiveRecipe(apt=("libyaml-dev", "zlib1g-dev"))
    return replace(order, key="new key", recipe=recipe, recipe_digest=recipe.digest)


class RecipeContract:
    async def test_each_change_is_a_revision_and_none_is_lost(self, stores: Stores) -> None:
        first = await stores.recipes.save(revision("a"))
        second = await stores.recipes.save(revision("b"), expected=1)
        gone = await stores.recipes.save(revision(None))
        back = await stores.recipes.save(revision("c"), expected=0)
        assert [one.number for one in (first, second, gone, back)] == [1, 2, 3, 4]
        assert first.sequence < second.sequence < gone.sequence < back.sequence
        history = await stores.recipes.history(LXML, limit=10)
        assert [(one.number, one.text, one.by) for one in history] == [
            (4, "c", "alice"),
            (3, None, "alice"),
            (2, "b", "alice"),
            (1, "a", "alice"),
        ]
        assert await stores.recipes.history(LXML, before=3, limit=1) == (second,)
        assert await stores.recipes.history(PYYAML, limit=10) == ()

    async def test_equal_text_is_no_new_revision(self, stores: Stores) -> None:
        first = await stores.recipes.save(revision("a"))
        assert await stores.recipes.save(revision("a")) == first
        assert len(await stores.audit.list_entries(AuditFilter(object=LXML))) == 1

    async def test_change_of_what_the_caller_has_not_seen_is_refused(self, stores: Stores) -> None:
        await stores.recipes.save(revision("a"), expected=0)
        with pytest.raises(RecipeChangedError) as caught:
            await stores.recipes.save(revision("b"), expected=0)
        assert (caught.value.expected, caught.value.current) == (0, 1)
        with pytest.raises(RecipeChangedError):
            await stores.recipes.save(revision(None), expected=2)

    async def test_of_two_changes_at_once_one_is_refused(self, stores: Stores) -> None:
        saves = [stores.recipes.save(revision(text), expected=0) for text in "ab"]
        results = await asyncio.gather(*saves, return_exceptions=True)
        assert sorted(type(one).__name__ for one in results) == ["RecipeChangedError", "RecipeRevision"]

    async def test_what_is_not_there_cannot_be_removed(self, stores: Stores) -> None:
        with pytest.raises(NotFoundError):
            await stores.recipes.save(revision(None))
        await stores.recipes.save(revision("a"))
        await stores.recipes.save(revision(None))
        with pytest.raises(NotFoundError):
            await stores.recipes.save(revision(None))

    async def test_reader_gets_the_newest_of_each_project_after_what_it_has_seen(self, stores: Stores) -> None:
        assert await stores.recipes.changes(after=0) == ()
        first = await stores.recipes.save(revision("a"))
        newest = await stores.recipes.save(revision("b"))
        other = await stores.recipes.save(NewRevision(project=PYYAML, text="p", by="bob"))
        assert await stores.recipes.changes(after=0) == (newest, other)
        assert await stores.recipes.changes(after=first.sequence) == (newest, other)
        assert await stores.recipes.changes(after=other.sequence) == ()
        gone = await stores.recipes.save(revision(None))
        assert await stores.recipes.changes(after=other.sequence) == (gone,)

    async def test_watcher_wakes_at_a_change(self, stores: Stores) -> None:
        async with stores.recipes.watch() as changes:
            await anext(changes)
            await stores.recipes.save(revision("a"))
            async with asyncio.timeout(5):
                await anext(changes)

    async def test_each_change_is_in_the_audit_log_with_its_revision(self, stores: Stores) -> None:
        build_id = await stores.finished(HEALED)
        await stores.recipes.save(revision("a"))
        await stores.recipes.save(revision("b", build_id=build_id))
        await stores.recipes.save(revision(None))
        entries = await stores.audit.list_entries(AuditFilter(object=LXML))
        assert [(one.change.action, one.change.actor, one.change.details) for one in entries] == [
            ("recipe.removed", "alice", {"revision": "3"}),
            ("recipe.adopted", "alice", {"revision": "2", "build": build_id}),
            ("recipe.saved", "alice", {"revision": "1"}),
        ]

    async def test_newest_build_that_succeeded_with_a_recipe_is_found(self, stores: Stores) -> None:
        assert await stores.recipes.find_healed(PYYAML) is None
        await stores.finished(SUCCESS)
        assert await stores.recipes.find_healed(PYYAML) is None
        healed = await stores.finished(HEALED, sample_order(key="k2"))
        await stores.finished(replace(FAILURE, healing=HEALED.healing), sample_order(key="k3"))
        await stores.finished(replace(SUCCESS, healing=Healing()), sample_order(key="k4"))
        await stores.finished(HEALED, sample_order(key="k5", project="lxml"))
        assert await stores.recipes.find_healed(PYYAML) == healed

    async def test_adopted_build_is_joined_by_requests_for_its_new_order(self, stores: Stores) -> None:
        build_id = await stores.finished(HEALED)
        order = with_packages(sample_order())
        adopted = AdoptedOrder(build_id=build_id, former_key=sample_order().key, order=order)
        saved = await stores.recipes.save(revision("a", build_id=build_id), counts_as=adopted)
        assert saved.build_id == build_id
        submission = await stores.builds.submit(order, requested_by="tests")
        assert (submission.joined, submission.build.id, submission.build.status) == (True, build_id, Status.SUCCEEDED)
        assert submission.build.order == replace(order, requirement=sample_order().requirement)
        assert not (await stores.builds.submit(sample_order(), requested_by="tests")).joined

    async def test_build_with_another_key_or_without_a_wheel_stays_as_it_is(self, stores: Stores) -> None:
        failed = await stores.finished(FAILURE)
        order = with_packages(sample_order())
        await stores.recipes.count_as(AdoptedOrder(build_id=failed, former_key=sample_order().key, order=order))
        built = await stores.finished(HEALED)
        await stores.recipes.count_as(AdoptedOrder(build_id=built, former_key="another", order=order))
        for build_id in (failed, built):
            assert (await stores.builds.get(build_id)).order == sample_order()

    async def test_of_two_builds_with_one_key_the_first_stays(self, stores: Stores) -> None:
        order = with_packages(sample_order())
        first = await stores.finished(SUCCESS, order)
        healed = await stores.finished(HEALED)
        adopted = AdoptedOrder(build_id=healed, former_key=sample_order().key, order=order)
        saved = await stores.recipes.save(revision("a"), counts_as=adopted)
        assert await stores.recipes.history(LXML, limit=5) == (saved,)
        assert (await stores.builds.get(healed)).order == sample_order()
        equal = await stores.builds.find_equal("new key")
        assert equal is not None
        assert equal.id == first
