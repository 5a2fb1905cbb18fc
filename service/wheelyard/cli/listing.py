"""Print builds, targets, and the status of the service."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from wheelyard.api.schemas.builds import BuildListView, BuildSummaryView, SourceTryView, TargetView
from wheelyard.cli.client import WheelyardClient
from wheelyard.cli.console import note, output, print_json
from wheelyard.cli.problem import ExitCode
from wheelyard.domain.builds.build import Status
from wheelyard.domain.builds.log_text import plain_line, plain_text
from wheelyard.domain.builds.records import MAX_PAGE_SIZE

_STYLES: Final = {
    Status.QUEUED: "yellow",
    Status.RUNNING: "cyan",
    Status.SUCCEEDED: "green",
    Status.FAILED: "red",
    Status.CANCELLED: "dim",
}
_LATELY: Final = 5


def list_builds(
    client: WheelyardClient, *, project: str | None, status: Status | None, limit: int, as_json: bool
) -> ExitCode:
    """Print the newest builds that match."""
    page = client.builds(project=project, status=status, limit=limit)
    if as_json:
        print_json(page.model_dump(mode="json"))
        return ExitCode.OK
    _print_builds(page.builds)
    if not page.builds:
        note("no build matches")
    elif page.next:
        note("there are more: raise --limit, or filter")
    return ExitCode.OK


def list_targets(client: WheelyardClient, *, as_json: bool) -> ExitCode:
    """Print the targets that wheels can be requested for."""
    targets = client.targets()
    if as_json:
        print_json([target.model_dump(mode="json") for target in targets])
        return ExitCode.OK
    table = _table("PYTHON", "PLATFORM", "RELEASE", "")
    for target in targets:
        table.add_row(target.python, target.platform, target.release, _state_of(target))
    output().print(table)
    _explain_unreachable([target for target in targets if target.problem is not None])
    return ExitCode.OK


def _state_of(target: TargetView) -> Text:
    if target.problem is not None:
        return Text(target.problem.code, style="yellow")
    return Text("default" if target.default else "")


def _explain_unreachable(targets: Sequence[TargetView]) -> None:
    """Print what was tried for each Python that cannot be had, once for all platforms with the same answers."""
    by_tries: dict[tuple[SourceTryView, ...], dict[str, None]] = {}
    for target in targets:
        if target.problem is not None:
            by_tries.setdefault(target.problem.tried, {})[target.python] = None
    for tried, pythons in by_tries.items():
        output().print(Text(f"\nPython {', '.join(pythons)}: source-unreachable; tried", style="yellow"))
        for one in tried:
            output().print(Text(f"  {plain_line(one.url)} ({plain_line(one.answer)})"), soft_wrap=True)
    if targets and targets[0].problem is not None:
        output().print(Text(f"\n{targets[0].problem.hint}"))


def show_status(client: WheelyardClient, *, as_json: bool) -> ExitCode:
    """Print whether the service is ready, and its queued and running builds."""
    ready, parts = client.readiness()
    queued = client.builds(status=Status.QUEUED, limit=MAX_PAGE_SIZE)
    running = client.builds(status=Status.RUNNING, limit=MAX_PAGE_SIZE)
    newest = client.builds(limit=_LATELY)
    if as_json:
        lists = {"queued": queued, "running": running, "newest": newest}
        shown = {name: page.model_dump(mode="json")["builds"] for name, page in lists.items()}
        print_json({"url": client.url, "ready": ready, "readiness": parts, **shown})
    else:
        output().print(_service_table(client.url, ready=ready, parts=parts, waiting=queued, running=running))
        _print_builds(running.builds or newest.builds)
    return ExitCode.OK if ready else ExitCode.OPERATOR


def _service_table(
    url: str, *, ready: bool, parts: object, waiting: BuildListView, running: BuildListView
) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_row("service", Text(url))
    table.add_row("ready", Text("yes", style="green") if ready else Text("no", style="bold red"))
    for name, state in _readiness_of(parts):
        table.add_row(f"  {name}", Text(state))
    table.add_row("queued", _count(waiting))
    table.add_row("running", _count(running))
    return table


def _readiness_of(parts: object) -> Iterable[tuple[str, str]]:
    """Return the parts and states of an answer of ``/readyz``, whose form may differ between versions."""
    if not isinstance(parts, dict):
        return []
    if "detail" in parts:  # a problem document (RFC 9457) names there what is missing
        return [("why", plain_text(str(parts["detail"])))]
    checks = parts.get("checks", parts)
    return [(str(name), str(state)) for name, state in checks.items()] if isinstance(checks, dict) else []


def _count(page: BuildListView) -> str:
    return f"{len(page.builds)}{' or more' if page.next else ''}"


def _print_builds(builds: Iterable[BuildSummaryView]) -> None:
    console = output()
    for build in builds:
        status = Text(str(build.status), style=_STYLES[build.status])
        if build.stage is not None:
            status += Text(f" {build.stage}")
        created = build.created_at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        release = f"{build.project} {build.version} for Python {build.python} on {build.platform}"
        # Whole lines, because an id, a file name or a cause that a column cuts or folds cannot be copied.
        console.print(Text.assemble((build.id, "bold"), f"  {created}  ", status), soft_wrap=True)
        for line in (release, *_results(build)):
            console.print(Text.assemble("  ", line), soft_wrap=True)


def _results(build: BuildSummaryView) -> Iterator[str | Text]:
    """Yield the result of a build, or what it waits for."""
    if build.wheel_filename is not None:
        yield build.wheel_filename
    elif build.failure is not None:
        yield Text.assemble((f"{build.failure.code}: ", "red"), plain_text(build.failure.summary))
        if build.failure.hint:
            yield Text.assemble(("hint: ", "bold cyan"), plain_text(build.failure.hint))
        yield f"log: wheelyard logs {build.id}"
    elif pause := _pause(build):
        yield pause


def _pause(build: BuildSummaryView) -> str:
    """Return why a queued build cannot start yet: other builds, or a pause before its next attempt."""
    if build.waits:
        return "waits for other builds"
    return f"next attempt at {build.not_before.astimezone().strftime('%H:%M:%S')}" if build.not_before else ""


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
