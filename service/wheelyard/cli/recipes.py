"""Check and explain recipes on this host. Must not judge or merge any: the domain does."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from packaging.version import Version
from rich.table import Table
from rich.text import Text

from wheelyard.adapters.recipes.folders import RecipeFolders, judge_recipe, list_recipe_files
from wheelyard.assembly.images import catalogue
from wheelyard.assembly.service import known_suites, recipe_book, source_index
from wheelyard.cli.console import note, output, print_json
from wheelyard.cli.exit_codes import ExitCode
from wheelyard.domain.packaging.release import ProjectRequirement, choose_release, parse_requirement, pinned_version
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.recipes.merge import Place, merge_rules
from wheelyard.domain.recipes.origins import KeyOrigin, explain_keys, skipped_rules
from wheelyard.domain.recipes.problems import TextProblem
from wheelyard.domain.recipes.recipe import Recipe
from wheelyard.domain.recipes.recipe_lint import lint_recipe
from wheelyard.errors import NotFoundError, UnknownTargetError
from wheelyard.settings import load_settings


def open_book(folder: Path | None = None) -> RecipeFolders:
    """Give the recipes that the service would use, repositories brought up to date, then those of a folder."""
    book = recipe_book(load_settings(), *([folder] if folder else []))
    asyncio.run(book.update())
    return book


def lint_recipes(paths: Sequence[Path], *, as_json: bool) -> ExitCode:
    """Print every problem, one a line, in the form that editors jump to."""
    files = list(_files_of(paths))
    found = [(file, problem) for file in files for problem in _problems_of(file)]
    if as_json:
        print_json([{"file": str(file), **asdict(problem)} for file, problem in found])
    else:
        for file, problem in found:
            line = f":{problem.line}" if problem.line is not None else ""
            key = f"{problem.key}: " if problem.key else ""
            output().print(f"{file}{line}: {key}{problem.message}", soft_wrap=True)
        broken = len({file for file, _ in found})
        note(f"{len(files)} recipes, {f'{broken} with problems' if broken else 'nothing is wrong'}")
    return ExitCode.RECIPE if found else ExitCode.OK


def _files_of(paths: Sequence[Path]) -> Iterator[Path]:
    if not paths:
        yield from (Path(status.source) for status in open_book().list_recipes())
    for path in paths:
        if not path.exists():
            raise NotFoundError(kind="file or folder", name=str(path))
        within = [path / "recipe.toml"] if (path / "recipe.toml").is_file() else list_recipe_files(path)
        yield from within if path.is_dir() else [path]


def _problems_of(file: Path) -> Sequence[TextProblem]:
    recipe, problems = judge_recipe(file.absolute(), suites=known_suites(load_settings()))
    return problems if recipe is None else list(lint_recipe(recipe))


def explain_recipe(
    release: str, *, python: str | None, platform: str | None, folder: Path | None, as_json: bool
) -> ExitCode:
    """Print where each key of a recipe comes from, and which rules do not apply."""
    requirement = parse_requirement(release)
    recipe = open_book(folder).find(requirement.project)
    if recipe is None:
        raise NotFoundError(kind="recipe", name=requirement.project)
    version = pinned_version(requirement.specifier) or asyncio.run(_newest_version(requirement, python))
    place = place_of(version, python=python, platform=platform)
    if as_json:
        print_json(_document(recipe, place))
        return ExitCode.OK
    output().print(f"{recipe.source} for {recipe.name} {place.version}, {place.target}, built on {place.suite}")
    output().print(_origin_table(explain_keys(recipe, place)))
    for rule in skipped_rules(recipe, place):
        conditions = " and ".join(f"when.{name}" for name in rule.mismatches)
        output().print(f"rule {rule.rule} in line {rule.line} does not apply: {conditions}", soft_wrap=True)
    return ExitCode.OK


async def _newest_version(requirement: ProjectRequirement, python: str | None) -> Version:
    """Ask upstream for the newest release that fits, as a request for it would choose; raises as that does."""
    settings = load_settings()
    async with source_index(settings) as source:
        page = await source.project(requirement.project)
    return choose_release(requirement, page, python=python or settings.default_python).version


def place_of(version: Version, *, python: str | None, platform: str | None) -> Place:
    """Say what is meant by a Python and a platform, or by their absence; raises UnknownTargetError."""
    settings = load_settings()
    book = catalogue(settings)
    wanted = (python or settings.default_python, platform or settings.default_platform)
    try:
        target = Target.parse(python=wanted[0], platform=wanted[1])
    except ValueError as error:
        known = [f"Python {one.python} on {one.policy}" for one in book.builders()]
        raise UnknownTargetError(python=wanted[0], platform=wanted[1], known=known, reason=str(error)) from error
    return Place(version=version, target=target, suite=book.builder_for(target).suite)


def _document(recipe: Recipe, place: Place) -> dict[str, object]:
    effective = merge_rules(recipe, version=place.version, target=place.target, suite=place.suite)
    return {
        "source": recipe.source,
        "project": recipe.name,
        "version": str(place.version),
        "python": place.target.python,
        "platform": place.target.platform,
        "suite": place.suite,
        "digest": effective.digest,
        "keys": [asdict(origin) for origin in explain_keys(recipe, place)],
        "skipped": [asdict(rule) for rule in skipped_rules(recipe, place)],
    }


def _origin_table(origins: Sequence[KeyOrigin]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("KEY", "VALUE", "RULE", "LINE", ""):
        table.add_column(column, overflow="fold")
    for one in origins:
        value = ", ".join(one.value) if isinstance(one.value, tuple) else str(one.value)
        remark = "" if one.counts else "another rule has the last word"
        table.add_row(one.key, Text(value), str(one.rule), str(one.line), Text(remark, style="dim"))
    return table
