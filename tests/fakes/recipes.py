"""The service's own recipes in memory: the fake of the PostgreSQL store."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace

from packaging.utils import NormalizedName
from tests.fakes.records import MemoryState

from wheelyard.domain.builds.audit_entries import recipe_change
from wheelyard.domain.builds.build import Status
from wheelyard.domain.recipes.revision import AdoptedOrder, NewRevision, RecipeRevision, number_after

_TOPIC = "recipes"


class MemoryRecipeStore:
    """The RecipeStore in memory."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state

    async def changes(self, *, after: int) -> tuple[RecipeRevision, ...]:
        """Return the newest revision of each project that has a newer one."""
        newest = {one.project: one for one in self._state.recipe_revisions if one.sequence > after}
        return tuple(newest[project] for project in sorted(newest))

    async def history(
        self, project: NormalizedName, *, before: int | None = None, limit: int
    ) -> tuple[RecipeRevision, ...]:
        """Return revisions, newest first."""
        found = [one for one in reversed(self._state.recipe_revisions) if one.project == project]
        return tuple(one for one in found if before is None or one.number < before)[:limit]

    async def find_healed(self, project: NormalizedName) -> str | None:
        """Return the newest succeeded build whose newest attempt comes with a recipe."""
        builds = (record.build for record in reversed(self._state.records.values()))
        for build in builds:
            healing = build.attempts[-1].healing if build.attempts else None
            if build.order.project == project and build.status is Status.SUCCEEDED and healing and healing.recipe:
                return build.id
        return None

    async def save(
        self, new: NewRevision, *, expected: int | None = None, counts_as: AdoptedOrder | None = None
    ) -> RecipeRevision:
        """Store a revision, unless it has the newest one's text."""
        former = next(iter(await self.history(new.project, limit=1)), None)
        number = number_after(former, new, expected=expected)
        if counts_as is not None:
            await self.count_as(counts_as)
        if number is None:
            assert former is not None
            return former
        saved = RecipeRevision(
            project=new.project,
            number=number,
            sequence=len(self._state.recipe_revisions) + 1,
            text=new.text,
            by=new.by,
            at=self._state.clock(),
            build_id=new.build_id,
        )
        self._state.recipe_revisions.append(saved)
        self._state.record_change(recipe_change(saved))
        self._state.notify(_TOPIC)
        return saved

    async def count_as(self, adopted: AdoptedOrder) -> None:
        """Give a build its new order, unless another build has its key."""
        record, order = self._state.find(adopted.build_id), adopted.order
        held = self._state.find_equal(order.key)
        if record.build.status is not Status.SUCCEEDED or record.build.order.key != adopted.former_key or held:
            return
        former = record.build.order
        record.change(order=replace(former, key=order.key, recipe=order.recipe, recipe_digest=order.recipe_digest))

    def watch(self) -> AbstractAsyncContextManager[AsyncIterator[None]]:
        """Wake up at each change."""
        return self._state.watch(_TOPIC)
