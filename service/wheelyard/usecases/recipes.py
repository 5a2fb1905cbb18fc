"""Change the service's own recipes: store, remove, and adopt those of healed builds."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from functools import partial
from typing import Final

from packaging.utils import NormalizedName, canonicalize_name

from wheelyard.domain.builds.build import Build, Status
from wheelyard.domain.healing.healing import Healing
from wheelyard.domain.recipes.adoption import Adoption, add_rules, healing_of, used_recipe
from wheelyard.domain.recipes.effective import EffectiveRecipe
from wheelyard.domain.recipes.merge import merge_rules
from wheelyard.domain.recipes.recipe import Naming, Recipe, judge_text
from wheelyard.domain.recipes.revision import AdoptedOrder, NewRevision, RecipeRevision
from wheelyard.domain.recipes.source import RecipeStatus
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.domain.untrusted.versions import read_version
from wheelyard.errors import (
    NotFoundError,
    NothingToAdoptError,
    RecipeChangedError,
    RecipeError,
    RecipeRefusedError,
    RecipesUnavailableError,
    ToolchainTooOldError,
)
from wheelyard.interfaces import BuildStore, ParserPool, RecipeRegistry, RecipeStore
from wheelyard.usecases.request_build import PlanBuild

MAX_RECIPE_BYTES: Final = 64 << 10
_TRIES: Final = 5


class ManageRecipes:
    """The use cases behind the methods of ``/v1/recipes/{name}`` that change something.

    ``by`` is the name in the audit log; ``expected`` is as in ``RecipeStore.save``.
    """

    def __init__(  # noqa: PLR0913  each part is another one's
        self,
        *,
        store: RecipeStore,
        registry: RecipeRegistry,
        refresh: Callable[[], Awaitable[None]],
        builds: BuildStore,
        plan: PlanBuild,
        parsers: ParserPool,
        suites: Collection[str] | None = None,
    ) -> None:
        """Keep the parts; ``refresh`` makes the registry read what the store has."""
        self._store = store
        self._registry = registry
        self._refresh = refresh
        self._builds = builds
        self._plan = plan
        self._parsers = parsers
        self._suites = suites

    async def put(self, name: str, text: str, *, by: str, expected: int | None = None) -> RecipeStatus:
        """Store a recipe, which replaces those of folders and repositories.

        Raises RecipeRefusedError with all its problems, and RecipeChangedError.
        """
        project = canonicalize_name(name)
        await self._judge(project, text, by=by)
        await self._store.save(NewRevision(project=project, text=text, by=by), expected=expected)
        await self._refresh()
        return await self._status(project)

    async def remove(self, name: str, *, by: str, expected: int | None = None) -> RecipeRevision:
        """Remove a recipe, so that a folder or repository decides again.

        Raises NotFoundError and RecipeChangedError.
        """
        removal = NewRevision(project=canonicalize_name(name), text=None, by=by)
        removed = await self._store.save(removal, expected=expected)
        await self._refresh()
        return removed

    async def history(self, name: str, *, before: int | None = None, limit: int) -> tuple[RecipeRevision, ...]:
        """Return a project's revisions, newest first."""
        return await self._store.history(canonicalize_name(name), before=before, limit=limit)

    async def adopt(self, name: str, *, build_id: str | None = None, by: str) -> Adoption:
        """Add the recipe of a healed build to its project's recipe; the newest that has succeeded if none is named.

        The build counts as built by the recipe that follows, if that is just what it used. Adopting twice changes
        nothing more. Raises NotFoundError, NothingToAdoptError, RecipeRefusedError, RecipeInvalidError,
        RecipesUnavailableError and RecipeChangedError.
        """
        project = canonicalize_name(name)
        build = await self._healed_build(project, build_id)
        for _ in range(_TRIES - 1):
            # Another person has changed the recipe meanwhile: merge with what it is now.
            with contextlib.suppress(RecipeChangedError):
                return await self._adopt(project, build, by=by)
        return await self._adopt(project, build, by=by)

    async def is_adopted(self, build: Build) -> bool:
        """Return whether a healed build's recipe adds nothing to its project's recipe."""
        healing, project = healing_of(build), canonicalize_name(build.order.project)
        if healing is None:
            return False
        try:
            present = await asyncio.to_thread(self._registry.find, project)
            proposed = await self._judge(project, healing.recipe, by="")
        except (RecipeError, RecipeRefusedError, RecipesUnavailableError):
            return False
        return present is not None and _has_all(present, proposed, build)

    async def _healed_build(self, project: NormalizedName, build_id: str | None) -> Build:
        wanted = build_id or await self._store.find_healed(project)
        if wanted is None:
            raise NothingToAdoptError(project=project)
        build = await self._builds.get(wanted)
        if canonicalize_name(build.order.project) != project or healing_of(build) is None:
            raise NothingToAdoptError(project=project, build=build.id)
        return build

    async def _adopt(self, project: NormalizedName, build: Build, *, by: str) -> Adoption:
        await self._refresh()
        healing = healing_of(build) or Healing()
        proposed = await self._judge(project, healing.recipe, by=by)
        seen = await asyncio.to_thread(self._registry.describe, project)
        present = await asyncio.to_thread(self._registry.find, project)
        is_new = present is None or not _has_all(present, proposed, build)
        recipe = await self._merged(present, proposed, by=by) if is_new or present is None else present
        counts_as = self._counts_as(build, healing, recipe)
        if is_new:
            number = seen.revision.number if seen and seen.revision else 0
            new = NewRevision(project=project, text=recipe.text, by=by, build_id=build.id)
            await self._store.save(new, expected=number, counts_as=counts_as)
            await self._refresh()
        elif counts_as is not None:
            await self._store.count_as(counts_as)
        return Adoption(
            recipe=await self._status(project),
            build_id=build.id,
            is_new=is_new,
            equal_build=await self._equal_build(build, recipe),
        )

    async def _merged(self, present: Recipe | None, proposed: Recipe, *, by: str) -> Recipe:
        if present is None:
            return proposed
        if present.files:
            files = ", ".join(sorted(present.files)[:5])
            problem = f"{present.source} has other files ({files}); add the rule that the build shows to it by hand"
            raise RecipeRefusedError(project=proposed.name, problems=[problem])
        return await self._judge(canonicalize_name(proposed.name), add_rules(present.text, proposed.text), by=by)

    async def _judge(self, project: NormalizedName, text: str, *, by: str) -> Recipe:
        """Return a valid recipe; raise RecipeRefusedError with all its problems."""
        if len(text.encode(errors="replace")) > MAX_RECIPE_BYTES:
            problem = f"it has more than {MAX_RECIPE_BYTES >> 10} KiB"
            raise RecipeRefusedError(project=project, problems=[problem])
        judge = partial(judge_text, source=project, files={}, naming=Naming(project=project, suites=self._suites))
        try:
            recipe, problems = await self._parsers.run(judge, text, what=f"the recipe of {project}", caller=by)
        except RefusedTextError as error:
            raise RecipeRefusedError(project=project, problems=[str(error)]) from error
        if recipe is None:
            raise RecipeRefusedError(project=project, problems=[str(problem) for problem in problems])
        return recipe

    async def _status(self, project: NormalizedName) -> RecipeStatus:
        status = await asyncio.to_thread(self._registry.describe, project)
        if status is None:
            raise NotFoundError(kind="recipe", name=project)  # another person has removed it in the same moment
        return status

    def _counts_as(self, build: Build, healing: Healing, recipe: Recipe) -> AdoptedOrder | None:
        """Return what a build counts as with its adopted recipe; None if the recipe or today's builder differs."""
        order = build.order
        effective = _effective(recipe, build)
        try:
            used = used_recipe(order.recipe, healing)
            today, adopted = self._plan.with_recipe(order, order.recipe), self._plan.with_recipe(order, effective)
            is_equal = used.digest == effective.digest and today.key == order.key != adopted.key
        except (LookupError, ValueError, ToolchainTooOldError):
            return None
        if build.status is not Status.SUCCEEDED or not is_equal:
            return None
        return AdoptedOrder(build_id=build.id, former_key=order.key, order=adopted)

    async def _equal_build(self, build: Build, recipe: Recipe) -> str | None:
        try:
            order = self._plan.with_recipe(build.order, _effective(recipe, build))
        except (LookupError, ToolchainTooOldError):
            return None
        equal = await self._builds.find_equal(order.key)
        return None if equal is None else equal.id


def _effective(recipe: Recipe, build: Build) -> EffectiveRecipe:
    order = build.order
    return merge_rules(recipe, version=read_version(order.version), target=order.target, suite=order.builder)


def _has_all(present: Recipe, proposed: Recipe, build: Build) -> bool:
    """Return whether the proposed rules add nothing to the release that was built."""
    both = replace(present, rules=(*present.rules, *proposed.rules))
    return _effective(both, build).digest == _effective(present, build).digest
