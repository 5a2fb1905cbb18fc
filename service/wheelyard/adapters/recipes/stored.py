"""Recipes of the service's own, from its database, which replace those of folders and repositories.

All texts are in memory, because recipes are looked up where nothing can wait for a database. The process that changes a
recipe reads the change before it answers. Others are notified of it, and look each second.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final

from packaging.utils import NormalizedName

from wheelyard.domain.recipes.problems import TextProblem
from wheelyard.domain.recipes.recipe import Naming, Recipe, judge_text, lint_recipe
from wheelyard.domain.recipes.revision import RecipeRevision
from wheelyard.domain.recipes.source import RecipeStatus, SourceStatus
from wheelyard.errors import RecipeInvalidError, RecipesUnavailableError, WheelyardError
from wheelyard.interfaces import RecipeRegistry, RecipeStore
from wheelyard.logs import get_logger

_PLACE: Final = "the database of this service"
_log = get_logger(__name__)


class StoredRecipes:
    """The recipes of the database, then those of other places."""

    def __init__(self, store: RecipeStore, others: RecipeRegistry, *, suites: Collection[str] | None = None) -> None:
        """Set the places. A recipe that names a suite outside of ``suites`` is broken."""
        self._store = store
        self._others = others
        self._suites = suites
        self._revisions: Mapping[NormalizedName, RecipeRevision] = {}
        """The newest revision of each project, removals included. Replaced as a whole: threads read it."""
        self._seen = 0
        self._refreshing = asyncio.Lock()
        self._problem = ""

    async def refresh(self) -> None:
        """Read what changed since the last time; raise DatabaseUnavailableError."""
        async with self._refreshing:
            if news := await self._store.changes(after=self._seen):
                self._revisions = {**self._revisions, **{one.project: one for one in news}}
                self._seen = max(one.sequence for one in news)
            self._problem = ""

    async def follow(self) -> None:
        """Read changes when they happen, until cancelled; while the database is down, the last texts stay in use."""
        async with self._store.watch() as changes:
            async for _ in changes:
                try:
                    await self.refresh()
                except WheelyardError as error:
                    if not self._problem:
                        _log.warning("recipes-not-updated", source=_PLACE, reason=str(error))
                    self._problem = error.summary

    def find(self, project: NormalizedName) -> Recipe | None:
        """Return a project's recipe; see RecipeRegistry."""
        revision = self._revision_of(project)
        if revision is None:
            return self._others.find(project)
        recipe, problems = self._judge(revision)
        if recipe is None:
            raise RecipeInvalidError(source=revision.title, problems=[str(problem) for problem in problems])
        return recipe

    def describe(self, project: NormalizedName) -> RecipeStatus | None:
        """Return a project's recipe and its problems; see RecipeRegistry."""
        revision = self._revision_of(project)
        if revision is None:
            return self._others.describe(project)
        try:
            replaced = self._others.describe(project)
        except (RecipeInvalidError, RecipesUnavailableError):
            replaced = None
        return self._describe(revision, replaces=replaced.source if replaced else "")

    def list_recipes(self) -> tuple[RecipeStatus, ...]:
        """Return every project's recipe; see RecipeRegistry."""
        found = {status.name: status for status in self._others.list_recipes()}
        for project, revision in self._revisions.items():
            if revision.text is not None:
                replaced = found.get(project)
                found[project] = self._describe(revision, replaces=replaced.source if replaced else "")
        return tuple(found[name] for name in sorted(found))

    def list_sources(self) -> tuple[SourceStatus, ...]:
        """Return the places of recipes; the database is the last one, which wins."""
        return *self._others.list_sources(), SourceStatus(place=_PLACE, problem=self._problem)

    def _revision_of(self, project: NormalizedName) -> RecipeRevision | None:
        revision = self._revisions.get(project)
        return None if revision is None or revision.text is None else revision

    def _judge(self, revision: RecipeRevision) -> tuple[Recipe | None, Sequence[TextProblem]]:
        naming = Naming(project=revision.project, suites=self._suites)
        return judge_text(revision.text or "", source=revision.title, files={}, naming=naming)

    def _describe(self, revision: RecipeRevision, *, replaces: str) -> RecipeStatus:
        recipe, problems = self._judge(revision)
        status = RecipeStatus(
            name=revision.project,
            source=revision.title,
            text=revision.text or "",
            problems=tuple(map(str, problems)),
            revision=revision,
            replaces=replaces,
        )
        return status if recipe is None else replace(status, remarks=tuple(map(str, lint_recipe(recipe))))
