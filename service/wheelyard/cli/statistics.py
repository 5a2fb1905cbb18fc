"""Print the queue with its estimates, and the statistics."""

from itertools import zip_longest

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from wheelyard.api.schemas.statistics import QueuedView, StatisticsView
from wheelyard.cli.client import WheelyardClient
from wheelyard.cli.console import format_seconds, format_size, note, output, print_json
from wheelyard.cli.problem import ExitCode

_DAYS = 10
_BAR = 24


def show_queue(client: WheelyardClient, *, limit: int, as_json: bool) -> ExitCode:
    """Print the running builds, and the queued builds in their order."""
    queue = client.queue(limit=limit)
    if as_json:
        print_json(queue.model_dump(mode="json"))
        return ExitCode.OK
    for one in queue.running:
        _print_position(one, "", Text(f"running: {one.stage}" if one.stage else "running", style="cyan"))
    for place in queue.waiting:
        wait = "no worker can build it" if not place.has_worker else _wait(place.wait_seconds)
        _print_position(place, f"{place.position}.", Text(wait))
    if not queue.running and not queue.waiting:
        note("no build is running or queued")
    elif queue.total > len(queue.waiting):
        note(f"{queue.total - len(queue.waiting)} more are queued: raise --limit")
    return ExitCode.OK


def _print_position(build: QueuedView, position: str, state: Text) -> None:
    release = f"{build.project} {build.version} for Python {build.python} on {build.platform}"
    console = output()
    console.print(Text.assemble(f"{position:<5} ", (build.id, "bold"), "  ", state), soft_wrap=True)
    console.print(Text(f"      {release}"), soft_wrap=True)


def _wait(seconds: float | None) -> str:
    return "start not known yet" if seconds is None else f"starts in about {format_seconds(seconds)}"


def show_statistics(client: WheelyardClient, *, days: int, as_json: bool) -> ExitCode:
    """Print the results of the last days, and the disk space in use."""
    found = client.statistics(days=days)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        output().print(Group(_totals(found), Text(), _per_day(found), Text(), _lists(found)))
    return ExitCode.OK


def _totals(found: StatisticsView) -> RenderableType:
    rate = "no build ended" if found.success_rate is None else f"{100 * found.success_rate:.0f} %"
    disk = found.disk
    table = Table.grid(padding=(0, 2))
    table.add_row("succeeded", f"{sum(day.succeeded for day in found.days):,}")
    table.add_row("failed", f"{sum(day.failed for day in found.days):,}")
    table.add_row("success rate", rate)
    table.add_row("wheels", f"{found.wheels:,}, {format_size(found.index_bytes)}")
    table.add_row("logs", format_size(found.log_bytes))
    taken = sum(folder.size_bytes for folder in disk.folders)
    table.add_row("state directory", f"{format_size(taken)}, {format_size(disk.free_bytes)} free")
    return table


def _per_day(found: StatisticsView) -> RenderableType:
    table = _table("DAY", "SUCCEEDED", "FAILED", "CANCELLED", "")
    top = max((day.succeeded + day.failed for day in found.days), default=0) or 1
    for day in found.days[-_DAYS:]:
        good, bad = (round(_BAR * count / top) for count in (day.succeeded, day.failed))
        bar = Text.assemble(("#" * good, "green"), ("#" * bad, "red"))
        table.add_row(str(day.day), str(day.succeeded), str(day.failed), str(day.cancelled), bar)
    return table


def _lists(found: StatisticsView) -> RenderableType:
    table = _table("SLOWEST", "", "MOST REQUESTED", "", "LARGEST", "")
    columns = (
        [(f"{one.project} {one.version}", format_seconds(one.seconds)) for one in found.slowest],
        [(one.project, str(one.requests)) for one in found.requested],
        [(one.project, format_size(one.size_bytes)) for one in found.largest],
    )
    for row in zip_longest(*columns, fillvalue=("", "")):
        table.add_row(*(Text(text) for cell in row for text in cell))
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
