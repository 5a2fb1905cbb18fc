"""The pages of recipes: the list, a recipe with the rule that each key comes from, and adoption."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final
from urllib.parse import quote, urlencode

from fastapi import Response
from fastapi.responses import RedirectResponse
from packaging.utils import NormalizedName, canonicalize_name

from wheelyard.domain.builds.build import Build, BuildSummary, Status
from wheelyard.domain.builds.log_text import clean_line, plain_text
from wheelyard.domain.builds.records import MAX_PAGE_SIZE, BuildFilter
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.recipes.adoption import healing_of
from wheelyard.domain.recipes.effective import EffectiveRecipe, RecipeFile, SourceFile
from wheelyard.domain.recipes.merge import Place
from wheelyard.domain.recipes.origins import KeyOrigin, SkippedRule, explain_keys, skipped_rules
from wheelyard.domain.recipes.recipe import Recipe
from wheelyard.domain.recipes.source import RecipeStatus
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.domain.untrusted.versions import find_version, read_version
from wheelyard.errors import InvalidRequestError, NotFoundError, RecipeInvalidError, WheelyardError
from wheelyard.web.context import PageContext
from wheelyard.web.rendering import Page
from wheelyard.web.viewport import LogSpan, Viewport, viewport_from
from wheelyard.web.words import some

_PAGE_SIZE: Final = 100
_BEFORE: Final = 20
_MAX_DIGITS: Final = 6
_SHOWN_REVISIONS: Final = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """The effective recipe of a release on a target."""

    place: Place
    keys: tuple[KeyOrigin, ...]
    skipped: tuple[SkippedRule, ...]


async def list_recipes(context: PageContext) -> Page:
    """List recipes by project, page by page, and their sources."""
    book = context.services.recipes
    # Recipes are files, so they are read in threads: a slow disk must not block other requests.
    recipes, sources = await asyncio.gather(asyncio.to_thread(book.list_recipes), asyncio.to_thread(book.list_sources))
    wanted, after = context.asked("q")[:200], context.asked("after")[:200]
    prefix = canonicalize_name(wanted) if wanted else ""
    fitting = [one for one in recipes if one.name.startswith(prefix) and one.name > after]
    shown = fitting[:_PAGE_SIZE]
    names = [canonicalize_name(one.name) for one in shown]
    packages = await asyncio.to_thread(_packages, context, names)
    following = urlencode({"q": wanted, "after": shown[-1].name}) if len(fitting) > len(shown) else ""
    values = {
        "recipes": shown,
        "packages": packages,
        "last": await context.services.builds.newest_of(names, is_final=True),
        "total": len(recipes),
        "broken": sum(bool(one.problems) for one in recipes),
        "sources": sources,
        "wanted": wanted,
        "after": after,
        "following": following,
    }
    return Page(template="recipes.html", title="Recipes", values=values)


def _packages(context: PageContext, names: Sequence[NormalizedName]) -> dict[str, tuple[str, ...]]:
    """Return the system packages and toolchains of each recipe, from all of its rules."""
    found: dict[str, tuple[str, ...]] = {}
    for name in names:
        # The page shows the problems of a recipe or of a source separately.
        with contextlib.suppress(WheelyardError):
            recipe = context.services.recipes.find(name)
            rules = recipe.rules if recipe else ()
            found[name] = tuple(dict.fromkeys(one for rule in rules for one in (*rule.apt, *rule.toolchains)))
    return found


async def show_recipe(context: PageContext) -> Page:
    """Show a recipe's text, and its effect on a release."""
    name = canonicalize_name(context.part("name"))
    book = context.services.recipes
    status = await asyncio.to_thread(book.describe, name)
    builds = await context.services.builds.list_builds(BuildFilter(project=name, limit=MAX_PAGE_SIZE))
    if status is None:
        return _no_recipe(name, builds.builds)
    version = context.asked("version") or next(
        (one.version for one in builds.builds if _is_version(one.version)), "1.0"
    )
    target = _target(context)
    values = {
        "recipe": status,
        "history": await context.services.manage_recipes.history(name, limit=_SHOWN_REVISIONS),
        "window": _lines(context, status),
        "explanation": await asyncio.to_thread(_explain, context, status, version, target),
        "builds": builds.builds[:10],
        "results": last_results(builds.builds),
        "version": version,
        "target": target,
        "targets": context.services.request_build.targets(),
    }
    return Page(template="recipe.html", title=f"Recipe of {name}", values=values)


async def adopt_recipe(context: PageContext) -> Response:
    """Adopt the recipe of a healed build."""
    name, build = context.part("name"), context.asked("build")
    adoption = await context.services.manage_recipes.adopt(name, build_id=build, by=context.token.actor)
    return RedirectResponse(f"/recipes/{quote(adoption.recipe.name)}", status_code=303)


@dataclass(frozen=True, kw_only=True, slots=True)
class HealedRecipe:
    """The recipe that a healed build comes with."""

    text: str
    is_proposed: bool
    """True if the build has not tried it."""
    is_adopted: bool


async def healed_recipe(context: PageContext, build: Build) -> HealedRecipe | None:
    """Return the recipe that a build comes with; None if it did not heal itself."""
    healing = healing_of(build)
    if healing is None:
        return None
    is_adopted = await context.services.manage_recipes.is_adopted(build)
    return HealedRecipe(text=plain_text(healing.recipe), is_proposed=healing.is_proposed, is_adopted=is_adopted)


def _no_recipe(name: str, builds: Sequence[BuildSummary]) -> Page:
    """Return the page of a built project without a recipe; raise NotFoundError for any other name."""
    if not builds:
        raise NotFoundError(kind="recipe", name=name)
    results = last_results(builds)
    has_failed = any(one.status is Status.FAILED for one in results)
    values = {"name": name, "builds": builds[:10], "results": results, "has_failed": has_failed}
    return Page(template="no_recipe.html", title=f"Recipe of {name}", values=values)


def last_results(builds: Sequence[BuildSummary]) -> tuple[BuildSummary, ...]:
    """Return the newest finished build for each target, by platform and Python."""
    newest: dict[Target, BuildSummary] = {}
    for build in builds:
        if build.status.is_final:
            newest.setdefault(build.target, build)
    order = sorted(newest, key=lambda target: (target.policy, target.version_info))
    return tuple(newest[target] for target in order)


def _lines(context: PageContext, status: RecipeStatus) -> Viewport:
    """Return the part of the text that a page shows: around the line of the query, else from the first line."""
    lines = [clean_line(line) for line in status.text.splitlines()]
    wanted = context.asked("line")
    first = int(wanted) if wanted.isdecimal() and len(wanted) <= _MAX_DIGITS else 1
    first = min(max(first - _BEFORE, 1), max(len(lines), 1)) if wanted else 1
    return viewport_from(LogSpan(first=first, lines=lines[first - 1 :], total=len(lines)))


def _target(context: PageContext) -> Target:
    """Return the target of the form: a Python and a platform, separated by a space."""
    python, _, platform = context.asked("target").partition(" ")
    if not python:
        return context.services.defaults
    try:
        return Target.parse(python=python, platform=platform)
    except ValueError as error:
        raise InvalidRequestError(problems=[f"target: {error}"]) from error


def _explain(context: PageContext, status: RecipeStatus, version: str, target: Target) -> Explanation | None:
    """Return where each key comes from; None for an invalid recipe."""
    recipe = _usable(context, status)
    if recipe is None:
        return None
    try:
        suite = context.services.request_build.suite_for(target)
        place = Place(version=read_version(version), target=target, suite=suite)
    except RefusedTextError as error:
        raise InvalidRequestError(problems=[f"version: {error}"]) from error
    return Explanation(place=place, keys=explain_keys(recipe, place), skipped=skipped_rules(recipe, place))


def _is_version(text: str) -> bool:
    return find_version(text) is not None


def _usable(context: PageContext, status: RecipeStatus) -> Recipe | None:
    try:
        return context.services.recipes.find(canonicalize_name(status.name))
    except RecipeInvalidError:
        return None


_NOTHING = EffectiveRecipe()


def used_keys(recipe: EffectiveRecipe) -> tuple[tuple[str, str], ...]:
    """Return the keys of the effective recipe; empty if there is none."""
    found = ((one.name, getattr(recipe, one.name)) for one in fields(recipe))
    return tuple(
        (name.replace("_", " ").capitalize(), _words(value))
        for name, value in found
        if value != getattr(_NOTHING, name)
    )


def _words(value: object) -> str:
    match value:
        case RecipeFile():
            return value.name
        case SourceFile():
            return value.url
        case (str(name), str(given)):
            return f"{name} = {given}"
        case tuple():
            return some([_words(one) for one in value])
        case _:
            return str(value)
