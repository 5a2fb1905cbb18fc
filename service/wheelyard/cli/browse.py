"""Print what the web pages show: projects, a project's matrix, a wheel, recipes, requests."""

from collections.abc import Callable
from typing import Final, TypeVar

from packaging.utils import canonicalize_name
from rich.table import Table
from rich.text import Text

from wheelyard.api.schemas.builds import BuildSummaryView, TargetView
from wheelyard.api.schemas.index import ContentsView, IndexedWheelView
from wheelyard.api.schemas.requests import RequestSummaryView
from wheelyard.api.schemas.wheels import BriefFailureView
from wheelyard.cli.client import WheelyardClient
from wheelyard.cli.console import format_size, note, output, print_json
from wheelyard.cli.problem import ExitCode, ProblemError
from wheelyard.cli.wheels import describe
from wheelyard.domain.builds.build import BuildSummary, Failure
from wheelyard.domain.builds.log_text import plain_line, plain_text
from wheelyard.domain.builds.records import MAX_PAGE_SIZE
from wheelyard.domain.index.wheels import FileKind, IndexedWheel, ReleaseWheels
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.prebuilds.prebuild import ItemStatus
from wheelyard.errors import NotFoundError
from wheelyard.web.matrix import Cell, CellState, pythons_of, release_rows, shown_targets, versions_of

T = TypeVar("T")
U = TypeVar("U")
_STYLES: Final = {
    CellState.EXISTS: "green",
    CellState.STAGED: "yellow",
    CellState.YANKED: "yellow",
    CellState.BUILDING: "cyan",
    CellState.QUEUED: "cyan",
    CellState.FAILED: "red",
    CellState.NONE: "dim",
}
_WORDS: Final = {CellState.EXISTS: "wheel", CellState.NONE: "-"}


def list_projects(client: WheelyardClient, *, prefix: str, limit: int, as_json: bool) -> ExitCode:
    """Print projects by name."""
    page = client.projects(prefix=canonicalize_name(prefix) if prefix else "", limit=limit)
    if as_json:
        return _json(page.model_dump(mode="json"))
    table = _table("PROJECT", "RELEASES", "WHEELS", "ORIGIN", "NEWEST")
    for one in page.projects:
        newest = one.newest_upload_at.astimezone().strftime("%Y-%m-%d %H:%M")
        table.add_row(Text(one.name), str(one.releases), str(one.wheels), ", ".join(one.origins), newest)
    output().print(table)
    if not page.projects:
        note("no project has this beginning" if prefix else "nothing is published yet")
    elif page.next:
        note("there are more: raise --limit, or give the beginning of a name")
    return ExitCode.OK


def show_project(client: WheelyardClient, name: str, *, releases: int, as_json: bool) -> ExitCode:
    """Print the state of a project's releases for each platform and Python."""
    found = _unless_missing(lambda: client.project(name).releases, ())
    builds = client.builds(project=name, limit=MAX_PAGE_SIZE).builds
    if not found and not builds:
        raise NotFoundError(kind="project", name=name)
    views = client.targets()
    wheels = [ReleaseWheels(version=one.version, wheels=tuple(map(_wheel, one.wheels))) for one in found]
    versions = versions_of((one.version for one in wheels), (build.version for build in builds))
    made = tuple(map(_build, builds))
    reachable = frozenset(_target(view) for view in views if view.reachable)
    targets = shown_targets(tuple(map(_target, views)), reachable, wheels, made)
    rows = release_rows(versions[:releases], wheels, made, targets)
    if as_json:
        return _json(
            [
                {
                    "version": row.version,
                    "platform": platform,
                    **{cell.target.python: cell.state for cell in cells if cell},
                }
                for row in rows
                for platform, cells in row.rows
            ]
        )
    table = _table("RELEASE", "PLATFORM", *pythons_of(targets))
    for row in rows:
        for platform, cells in row.rows:
            table.add_row(Text(row.version), platform, *map(_cell, cells))
    output().print(table)
    if len(versions) > len(rows):
        note(f"{len(versions) - len(rows)} older releases are not shown: raise --releases")
    return ExitCode.OK


def show_wheel(client: WheelyardClient, filename: str, *, as_json: bool) -> ExitCode:
    """Print a wheel, and its files with their sizes."""
    wheel = client.wheel(filename)
    contents = _unless_missing(lambda: client.contents(filename), None)
    if as_json:
        return _json({**wheel.model_dump(mode="json"), "contents": contents and contents.model_dump(mode="json")})
    for name, value in _facts(wheel):
        output().print(Text.assemble((f"{name:<16}", "dim"), plain_line(value)), soft_wrap=True)
    if wheel.kind is FileKind.WHEEL:
        output().print(_files(contents))
    return ExitCode.OK


def _facts(wheel: IndexedWheelView) -> list[tuple[str, str]]:
    made_by = f" by build {wheel.build_id}" if wheel.build_id else ""
    return [
        (wheel.kind.value, wheel.filename),
        ("standing", describe(wheel) or "offered"),
        ("tag", wheel.tag or "none, because it is an sdist"),
        ("requires python", wheel.requires_python or "any"),
        ("size", format_size(wheel.size_bytes)),
        ("sha256", wheel.sha256),
        ("origin", f"{wheel.origin}{made_by}"),
        ("uploaded", wheel.uploaded_at.astimezone().strftime("%Y-%m-%d %H:%M:%S")),
    ]


def _files(contents: ContentsView | None) -> Table | Text:
    if contents is None:
        return Text("its files were not recorded; 'wheelyard index check --mend' reads them", style="dim")
    table = _table("FILE", "SIZE")
    for one in contents.files:
        table.add_row(Text(plain_line(one.path)), format_size(one.size_bytes))
    table.add_row(Text(f"{contents.total} files", style="bold"), format_size(contents.size_bytes))
    return table


def list_recipes(client: WheelyardClient, *, as_json: bool) -> ExitCode:
    """Print the recipes, and whether they are valid."""
    page = client.recipes()
    if as_json:
        return _json(page.model_dump(mode="json"))
    table = _table("PROJECT", "STATE", "SOURCE")
    for one in page.recipes:
        state = Text("usable", style="green") if one.usable else Text(f"{len(one.problems)} problems", style="red")
        table.add_row(Text(one.name), state, Text(plain_line(one.source)))
    output().print(table)
    for source in page.sources:
        if source.problem:
            note(f"{source.place}: {source.problem}")
    return ExitCode.OK


def show_recipe(client: WheelyardClient, name: str, *, as_json: bool) -> ExitCode:
    """Print the text of a recipe, and its problems."""
    recipe = client.recipe(name)
    if as_json:
        return _json(recipe.model_dump(mode="json"))
    output().print(Text(plain_text(recipe.text)), soft_wrap=True)
    for problem in recipe.problems:
        note(f"problem: {plain_line(problem)}")
    return ExitCode.OK


def list_requests(client: WheelyardClient, *, state: str | None, limit: int, as_json: bool) -> ExitCode:
    """Print the requests for whole applications, with their progress."""
    page = client.requests(state=state, limit=limit)
    if as_json:
        return _json(page.model_dump(mode="json"))
    console = output()
    for one in page.requests:
        total = sum(one.counts.values())
        failed = one.counts.get(ItemStatus.FAILED, 0) + one.counts.get(ItemStatus.IMPOSSIBLE, 0)
        there = f"{one.counts.get(ItemStatus.PRESENT, 0)} of {total} present, {failed} failed"
        created = one.created_at.astimezone().strftime("%Y-%m-%d %H:%M")
        targets = f"{one.targets} target{'' if one.targets == 1 else 's'}"
        console.print(Text.assemble((one.id, "bold"), f"  {created}  {_state(one)}"), soft_wrap=True)
        console.print(Text(f"  {there}, for {targets}, by {plain_line(one.requested_by)}"), soft_wrap=True)
    if not page.requests:
        note("no request matches")
    elif page.next:
        note("there are more: raise --limit, or filter")
    return ExitCode.OK


def _state(request: RequestSummaryView) -> str:
    if request.cancelled:
        return "cancelled"
    return "open" if request.finished_at is None else "done"


def _unless_missing(ask: Callable[[], T], otherwise: U) -> T | U:
    try:
        return ask()
    except ProblemError as error:
        if error.problem.code != NotFoundError.code:
            raise
        return otherwise


def _cell(cell: Cell | None) -> Text:
    if cell is None:
        return Text("")
    return Text(_WORDS.get(cell.state, cell.state.value), style=_STYLES[cell.state])


def _target(view: TargetView) -> Target:
    return Target.stored(python=view.python, platform=view.platform)


def _wheel(view: IndexedWheelView) -> IndexedWheel:
    return IndexedWheel(**view.model_dump(exclude={"url", "file_url", "standing", "kind"}), url=view.file_url)


def _build(view: BuildSummaryView) -> BuildSummary:
    target = Target.stored(python=view.python, platform=view.platform)
    return BuildSummary(
        **view.model_dump(exclude={"url", "log_url", "failure", "failure_code", "python", "platform"}),
        target=target,
        failure=_failure(view.failure),
    )


def _failure(view: BriefFailureView | None) -> Failure | None:
    return None if view is None else Failure(**view.model_dump())


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _json(document: object) -> ExitCode:
    print_json(document)
    return ExitCode.OK
