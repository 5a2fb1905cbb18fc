"""Check, explain, draft and try recipes, and repair wheels, on this host."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from packaging.version import Version
from rich.table import Table
from rich.text import Text

from wheelyard.adapters.host.parser_pool import ParserProcesses
from wheelyard.adapters.recipes.folders import RecipeFolders, judge_recipe, list_recipe_files
from wheelyard.adapters.resolver.sdists import read_sdist
from wheelyard.api.schemas.builds import BuildView
from wheelyard.api.schemas.links import IndexLinks
from wheelyard.assembly.parts import Parts, known_suites, make_parts, recipe_registry, source_index
from wheelyard.assembly.trial import open_repair, open_trial
from wheelyard.cli.console import messages, note, output, print_json
from wheelyard.cli.log_text import LogScreen
from wheelyard.cli.problem import ExitCode
from wheelyard.cli.report import exit_code_of_build, report_build, report_repaired
from wheelyard.domain.builds.build import Build, Failure, Wheel
from wheelyard.domain.packaging.release import (
    ProjectRequirement,
    Release,
    choose_release,
    parse_requirement,
    pinned_version,
)
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.recipes.draft import draft_recipe, needs_recipe
from wheelyard.domain.recipes.merge import Place, merge_rules
from wheelyard.domain.recipes.origins import KeyOrigin, explain_keys, skipped_rules
from wheelyard.domain.recipes.problems import TextProblem
from wheelyard.domain.recipes.recipe import Recipe, lint_recipe
from wheelyard.domain.sdist.contents import SdistContents
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.errors import (
    FileExistsAlreadyError,
    InvalidSdistError,
    NotFoundError,
    OperatorError,
    UnknownTargetError,
    WheelyardError,
)
from wheelyard.logs import configure_logs
from wheelyard.resources import data_path
from wheelyard.settings import Settings, load_settings
from wheelyard.usecases.request_build import BuildRequest
from wheelyard.usecases.try_recipe import RepairWheel


def open_recipes(folder: Path | None = None) -> RecipeFolders:
    """Return the recipes of the service, after an update of their repositories, and those of a folder."""
    book = recipe_registry(Parts(load_settings()), *([folder] if folder else []))
    asyncio.run(book.update())
    return book


def lint_recipes(paths: Sequence[Path], *, as_json: bool) -> ExitCode:
    """Print every problem on a line of its own, in a form that editors can open."""
    files = list(_files_of(paths))
    suites = known_suites(Parts(load_settings()).catalogue)
    found = [(file, problem) for file in files for problem in _problems_of(file, suites)]
    if as_json:
        print_json([{"file": str(file), **asdict(problem)} for file, problem in found])
    else:
        for file, problem in found:
            line = f":{problem.line}" if problem.line is not None else ""
            key = f"{problem.key}: " if problem.key else ""
            output().print(f"{file}{line}: {key}{problem.message}", soft_wrap=True)
        broken = len({file for file, _ in found})
        note(f"{len(files)} recipes, {f'{broken} with problems' if broken else 'no problems'}")
    return ExitCode.RECIPE if found else ExitCode.OK


def _files_of(paths: Sequence[Path]) -> Iterator[Path]:
    if not paths:
        yield from (Path(status.source) for status in open_recipes().list_recipes())
    for path in paths:
        if not path.exists():
            raise NotFoundError(kind="file or folder", name=str(path))
        within = [path / "recipe.toml"] if (path / "recipe.toml").is_file() else list_recipe_files(path)
        yield from within if path.is_dir() else [path]


def _problems_of(file: Path, suites: frozenset[str]) -> Sequence[TextProblem]:
    recipe, problems = judge_recipe(file.absolute(), suites=suites)
    return problems if recipe is None else list(lint_recipe(recipe))


def explain_recipe(
    release: str, *, python: str | None, platform: str | None, folder: Path | None, as_json: bool
) -> ExitCode:
    """Print the origin of each key of a recipe, and the rules that do not apply."""
    requirement = parse_requirement(release)
    recipe = open_recipes(folder).find(requirement.project)
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
    """Return the version of the newest upstream release that a request would choose."""
    settings = load_settings()
    async with source_index(settings) as source:
        page = await source.project(requirement.project)
    return choose_release(requirement, page, python=python or Parts(settings).default_python).version


def place_of(version: Version, *, python: str | None, platform: str | None) -> Place:
    """Return the place of a Python and a platform, or of the defaults; raise UnknownTargetError."""
    settings = load_settings()
    parts = Parts(settings)
    suites = parts.catalogue
    wanted = (python or parts.default_python, platform or settings.default_platform)
    try:
        target = Target.parse(python=wanted[0], platform=wanted[1])
    except ValueError as error:
        known = [f"Python {one.python} on {one.policy}" for one in suites.builders()]
        raise UnknownTargetError(python=wanted[0], platform=wanted[1], known=known, reason=str(error)) from error
    return Place(version=version, target=target, suite=suites.builder_for(target).suite)


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
        remark = "" if one.counts else "overridden by a later rule"
        table.add_row(one.key, Text(value), str(one.rule), str(one.line), Text(remark, style="dim"))
    return table


_SCHEMA: Final = "recipe.schema.json"


def draft(requirement: str, *, target: Path | None) -> ExitCode:
    """Print a draft, or write it to a new file; raise FileExistsAlreadyError if the file exists."""
    if target is not None and target.exists():
        raise FileExistsAlreadyError(path=target)
    release, (text, is_needed) = asyncio.run(_fetch_and_draft(requirement, load_settings()))
    if target is None:
        print(text, end="")  # noqa: T201  (unchanged, so that it can go into a file)
    else:
        _write(text, target)
    if not is_needed:
        note(f"{release.project} {release.version} may need no recipe: try 'wheelyard recipe test' without one")
    return ExitCode.OK


def _write(text: str, target: Path) -> None:
    """Write a draft, and the schema that its first line names, if that is missing."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    note(f"wrote {target}")
    schema = target.parent / _SCHEMA
    if not schema.exists():
        schema.write_bytes((data_path("recipes") / _SCHEMA).read_bytes())
        note(f"wrote {schema}, with which editors check the recipe")


async def _fetch_and_draft(requirement: str, settings: Settings) -> tuple[Release, tuple[str, bool]]:
    wanted = parse_requirement(requirement)
    async with source_index(settings) as source, ParserProcesses() as parsers:
        page = await source.project(wanted.project)
        release = choose_release(wanted, page, python=Parts(settings).default_python)
        archive = await source.fetch(release.sdist)
        file = release.sdist.filename
        contents = await asyncio.to_thread(read_sdist, archive, filename=file)
        try:
            return release, await parsers.run(_draft, contents, release.project, file, what="its content")
        except RefusedTextError as error:
            raise InvalidSdistError(file=file, reason=str(error)) from error


def _draft(contents: SdistContents, project: str, filename: str) -> tuple[str, bool]:
    """Return a draft, and whether the project needs a recipe."""
    text = draft_recipe(contents, project=project, filename=filename, schema=_SCHEMA)
    return text, needs_recipe(contents)


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialOptions:
    """What to try; None means the default."""

    python: str | None
    platform: str | None
    folder: Path | None
    """Folder of recipes that take precedence over all others."""
    keep: Path | None
    """Folder to save the wheel in."""


def try_recipe(release: str, options: TrialOptions, *, as_json: bool) -> ExitCode:
    """Build and test a release; print the log on standard error, the result on standard output."""
    settings = load_settings()
    configure_logs(log_format=settings.log_format, level="error")
    build = asyncio.run(_run(release, options, settings))
    # The wheel is not published, so it has no address.
    view = BuildView.of(build, links=IndexLinks(base="", is_open=True))
    if as_json:
        print_json(view.model_dump(mode="json"))
    else:
        output().print(report_build(view), soft_wrap=True)
    return exit_code_of_build(view)


async def _run(release: str, options: TrialOptions, settings: Settings) -> Build:
    parts = await make_parts(settings)
    request = BuildRequest(
        requirement=release,
        python=options.python or parts.default_python,
        platform=options.platform or settings.default_platform,
        requested_by="recipe test",
    )
    recipes = recipe_registry(parts, *([options.folder] if options.folder else []))
    await recipes.update()
    async with open_trial(parts, recipes=recipes, keep=options.keep) as trial:
        screen = LogScreen(messages())
        try:
            return await trial(request, show=screen.show)
        finally:
            screen.end()


@dataclass(frozen=True, kw_only=True, slots=True)
class RepairOptions:
    """How to repair wheels."""

    keep: Path
    """Folder to save them in."""
    suite: str | None
    """The suite whose builder repairs them; None for the one that each wheel's tags point to."""
    folder: Path | None
    """Folder of recipes that take precedence over all others."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Repaired:
    """What became of a file: its wheel, or why it was refused."""

    file: Path
    wheel: Wheel | None = None
    failure: Failure | None = None


def repair_files(files: Sequence[Path], options: RepairOptions, *, as_json: bool) -> ExitCode:
    """Repair and prove wheels in turn; print the logs on standard error, the results on standard output."""
    settings = load_settings()
    configure_logs(log_format=settings.log_format, level="error")
    done = asyncio.run(_repair_all(files, options, settings))
    if as_json:
        print_json([_repaired_document(one) for one in done])
    else:
        for one in done:
            output().print(report_repaired(one.file.name, one.wheel, one.failure), soft_wrap=True)
        refused = sum(one.wheel is None for one in done)
        count = "1 file" if len(done) == 1 else f"{len(done)} files"
        note(f"{count}, {refused or 'none'} refused")
    return ExitCode.BUILD_FAILED if any(one.wheel is None for one in done) else ExitCode.OK


async def _repair_all(files: Sequence[Path], options: RepairOptions, settings: Settings) -> list[_Repaired]:
    parts = await make_parts(settings)
    recipes = recipe_registry(parts, *([options.folder] if options.folder else []))
    await recipes.update()
    async with open_repair(parts, recipes=recipes, keep=options.keep) as repair:
        return [await _repair_one(file, repair, options.suite) for file in files]


async def _repair_one(file: Path, repair: RepairWheel, suite: str | None) -> _Repaired:
    """Repair a wheel; what is wrong with this one file does not stop the others."""
    messages().print(Text(f"{file.name}", style="bold"), soft_wrap=True)
    screen = LogScreen(messages())
    try:
        build = await repair(file, suite=suite, show=screen.show)
    except OperatorError:
        raise
    except WheelyardError as error:
        return _Repaired(file=file, failure=Failure.of(error, stage=None))
    finally:
        screen.end()
    return _Repaired(file=file, wheel=build.wheel, failure=build.failure)


def _repaired_document(one: _Repaired) -> dict[str, object]:
    wheel, failure = one.wheel, one.failure
    return {
        "file": str(one.file),
        "result": "refused" if wheel is None else "changed" if wheel.changes else "unchanged",
        "wheel": wheel
        and {
            "filename": wheel.filename,
            "sha256": wheel.sha256,
            "policy": wheel.policy,
            "changes": wheel.changes,
            "grafted": [asdict(library) for library in wheel.grafted],
            "proofs": [asdict(proof) for proof in wheel.proofs],
            "warnings": wheel.warnings,
        },
        "failure": failure
        and {
            "code": failure.code,
            "stage": failure.stage,
            "summary": failure.summary,
            "hint": failure.hint,
        },
    }
