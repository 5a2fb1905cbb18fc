"""Print campaigns: where each project stands, what blocks most, and what a person can do."""

import time
from collections import deque
from collections.abc import Iterator
from typing import Final

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from wheelyard.api.schemas.campaigns import CampaignRowView, CampaignSummaryView, CampaignView, NewCampaign
from wheelyard.cli.client import WheelyardClient
from wheelyard.cli.console import Reminder, is_live, messages, note, output, print_json
from wheelyard.cli.problem import ExitCode
from wheelyard.domain.builds.log_text import plain_text
from wheelyard.domain.campaigns.campaign import State

_STYLES: Final = {
    State.DONE: "green",
    State.COVERED: "green",
    State.BUILDING: "cyan",
    State.WAITING: "yellow",
    State.BLOCKED: "magenta",
    State.FAILED: "red",
}
_POLL_SECONDS: Final = 2.0
_LIVE_ROWS: Final = 20
_SHOWN_BLOCKERS: Final = 10
_ALL: Final = 100


def begin(client: WheelyardClient, wanted: NewCampaign, *, watches: bool, as_json: bool) -> ExitCode:
    """Begin a campaign, or join the equal one that is open; follow it if asked to."""
    view = client.begin_campaign(wanted)
    if view.joined:
        note(f"this campaign goes on since {_date(view)}")
    if watches:
        return watch(client, view, as_json=as_json)
    show(view, everything=False, as_json=as_json)
    if not as_json:
        note(f"follow it with: wheelyard campaign show {view.id[:8]} --watch")
    return ExitCode.OK


def watch(client: WheelyardClient, view: CampaignView, *, as_json: bool) -> ExitCode:
    """Follow a campaign until nothing moves any more without a person."""
    try:
        last = deque(_updates(client, view), maxlen=1).pop()
    except KeyboardInterrupt:
        note(f"the campaign goes on; follow it with: wheelyard campaign show {view.id[:8]} --watch")
        return ExitCode.INTERRUPTED
    show(last, everything=False, as_json=as_json)
    return ExitCode.OK if last.percent == _ALL else ExitCode.BUILD_FAILED


def show(view: CampaignView, *, everything: bool, as_json: bool) -> None:
    """Print where a campaign stands; ``everything`` includes what is ready."""
    if as_json:
        print_json(view.model_dump(mode="json"))
        return
    console = output()
    console.print(_head(view), soft_wrap=True)
    if view.blockers:
        console.print(Text("\nBlocks most", style="bold"))
        for one in view.blockers[:_SHOWN_BLOCKERS]:
            state = "not in this campaign" if one.state is None else one.state.value
            console.print(f"  {one.project} ({state}): {one.blocks} blocked", soft_wrap=True)
    rows = [row for row in view.rows if everything or not row.state.is_ready]
    if rows:
        console.print()
        console.print(_table(rows))
        _print_failures(view.rows)
    elif view.percent == _ALL:
        note("everything is ready")
    for skipped in view.skipped:
        note(f"left out {plain_text(skipped.text)!r}: {plain_text(skipped.reason)}")


def list_campaigns(client: WheelyardClient, *, state: str | None, limit: int, as_json: bool) -> ExitCode:
    """Print campaigns, newest first."""
    page = client.campaigns(state=state, limit=limit)
    if as_json:
        print_json(page.model_dump(mode="json"))
        return ExitCode.OK
    table = _columns("ID", "PYTHON", "PLATFORM", "FROM", "READY", "STATE")
    for one in page.campaigns:
        ready = f"{one.percent} % ({one.ready}/{one.total})"
        table.add_row(one.id[:8], one.python, one.platform, Text(plain_text(one.source)), ready, _state_of(one))
    output().print(table)
    if not page.campaigns:
        note("there is no campaign; 'wheelyard campaign python 3.14 --from index' begins one")
    elif page.next:
        note("there are more: raise --limit")
    return ExitCode.OK


def _updates(client: WheelyardClient, view: CampaignView) -> Iterator[CampaignView]:
    console = messages()
    if not is_live(console):
        yield from _printed(client, view)
        return
    with Live(_live(view), console=console, refresh_per_second=4, transient=True) as live:
        for changed in _polled(client, view):
            live.update(_live(changed))
            yield changed


def _printed(client: WheelyardClient, view: CampaignView) -> Iterator[CampaignView]:
    """Yield each state of a campaign, and print a line for each release that changes."""
    told = {(row.project, row.version): row.state for row in view.rows}
    shown = view
    with Reminder(lambda: note(_counts(shown))) as reminder:
        for shown in _polled(client, view):
            for row in shown.rows:
                if told.get((row.project, row.version)) is not row.state:
                    told[row.project, row.version] = row.state
                    note(f"{row.project} {row.version} {row.state.value}{_because(row)}")
                    reminder.note_printed()
            yield shown


def _polled(client: WheelyardClient, view: CampaignView) -> Iterator[CampaignView]:
    yield view
    while view.is_moving:
        time.sleep(_POLL_SECONDS)
        view = client.campaign(view.id)
        yield view


def _live(view: CampaignView) -> RenderableType:
    bar = Table.grid(padding=(0, 1))
    bar.add_row(ProgressBar(total=max(view.total, 1), completed=view.ready, width=30), _counts(view))
    return Group(_table([row for row in view.rows if row.state.is_moving][:_LIVE_ROWS]), bar)


def _head(view: CampaignView) -> Text:
    title = f"Campaign {view.id[:8]}: Python {view.python} on {view.platform}, from {plain_text(view.source)}"
    return Text.assemble((title, "bold"), f"\n{_counts(view)}; {_state_of(view)}")


def _counts(view: CampaignView) -> str:
    counts = ", ".join(f"{amount} {state.value}" for state, amount in view.counts.items())
    return f"{view.percent} % ready: {view.ready} of {view.total} ({counts})"


def _state_of(view: CampaignSummaryView) -> str:
    if view.stopped:
        return "stopped"
    return "open" if view.finished_at is None else "over"


def _date(view: CampaignView) -> str:
    return view.created_at.astimezone().strftime("%Y-%m-%d %H:%M")


def _table(rows: list[CampaignRowView]) -> Table:
    table = _columns("PROJECT", "VERSION", "STATE", "WHEEL OR REASON")
    for row in rows:
        table.add_row(row.project, row.version, Text(row.state.value, style=_STYLES[row.state]), _outcome(row))
    return table


def _outcome(row: CampaignRowView) -> Text:
    if row.filename is not None:
        return Text(row.filename)
    if row.blocked_by is not None:
        return Text(f"blocked by {row.blocked_by}")
    if row.state is State.FAILED:
        advice = f"; {row.would_work.version} would work" if row.would_work else ""
        return Text(f"{row.code or 'failed'}{advice}")
    return Text(plain_text(row.reason))


def _because(row: CampaignRowView) -> str:
    outcome = str(_outcome(row))
    return f": {outcome}" if outcome else ""


def _print_failures(rows: tuple[CampaignRowView, ...]) -> None:
    """Print why each release failed and what to do, in lines that can be copied."""
    for row in rows:
        if row.state is not State.FAILED:
            continue
        output().print(Text.assemble("\n", (f"{row.project} {row.version} {row.code}", "bold")), soft_wrap=True)
        lines = [plain_text(row.reason)]
        if row.would_work is not None:
            lines.append(f"{row.would_work.version} would work: {plain_text(row.would_work.evidence)}")
        if row.hint:
            lines.append(f"hint: {plain_text(row.hint)}")
        if row.build_id is not None:
            lines.append(f"log: wheelyard logs {row.build_id}")
        for line in filter(None, lines):
            output().print(Text(f"  {line}"), soft_wrap=True)


def _columns(*names: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(name, overflow="fold")
    return table
