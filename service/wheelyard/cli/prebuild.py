"""Request every dependency of an application, follow the request, and write its results."""

import secrets
import shlex
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from wheelyard.api.schemas.builds import GitSourceView
from wheelyard.api.schemas.requests import (
    DependencyFiles,
    ItemView,
    LockView,
    NewRequest,
    PlanView,
    RequestView,
    StartedView,
)
from wheelyard.cli.client import WheelyardClient
from wheelyard.cli.console import Reminder, format_seconds, is_live, messages, note, output, print_json
from wheelyard.cli.dependency_files import COMMAND_LINE
from wheelyard.cli.prebuild_reports import (
    annotate,
    explain_item,
    job_summary,
    junit_xml,
    missing_lines,
    write_outputs,
)
from wheelyard.cli.problem import ExitCode
from wheelyard.domain.builds.git_source import DEFAULT_REF
from wheelyard.domain.builds.log_text import plain_text
from wheelyard.domain.prebuilds.prebuild import ItemStatus, Prefer

_STYLES: Final = {
    ItemStatus.PRESENT: "green",
    ItemStatus.MIRROR: "cyan",
    ItemStatus.BUILD: "cyan",
    ItemStatus.WAITING: "yellow",
    ItemStatus.FAILED: "red",
    ItemStatus.IMPOSSIBLE: "red",
}
_OPEN: Final = frozenset({ItemStatus.MIRROR, ItemStatus.BUILD, ItemStatus.WAITING})
_ROWS: Final = 30


@dataclass(frozen=True, kw_only=True, slots=True)
class Reports:
    """Where results are written in addition to the terminal."""

    as_json: bool = False
    junit: Path | None = None
    lock: Path | None = None
    """Path of the lock file that installs from our index."""
    files: Sequence[str] = ()
    """The options that name the input files."""
    github: bool = False
    """Whether to write annotations for GitHub Actions."""
    github_summary: Path | None = None
    github_output: Path | None = None
    """File that GitHub Actions reads a step's outputs from."""


def plan(client: WheelyardClient, wanted: NewRequest, *, as_json: bool) -> ExitCode:
    """Print what a request would do, without making it."""
    with _waiting_for_releases():
        view = client.plan_request(wanted)
    if as_json:
        print_json(view.model_dump(mode="json"))
    else:
        output().print(_folded_table(view.items))
        for build in view.builds:
            if build.joined:
                note(f"{_label(build)}: would join build {build.build_id}")
    _note_mirror(view)
    _note_commits(view)
    _note_skipped(view)
    note(_counts(view))
    impossible = any(item.status is ItemStatus.IMPOSSIBLE for item in view.items)
    return ExitCode.BUILD_FAILED if impossible or _is_incomplete(view) else ExitCode.OK


def prebuild(client: WheelyardClient, wanted: NewRequest, reports: Reports, *, wait: bool) -> ExitCode:
    """Make the request; with ``wait``, wait until it ends."""
    with _waiting_for_releases():
        view = client.submit_request(wanted)
    if reports.github_output is not None:
        write_outputs(reports.github_output, {"request-id": view.id})
    if not wait:
        if reports.as_json:
            print_json(view.model_dump(mode="json"))
        note(f"follow it with: {_way_back(view, reports)}")
        return ExitCode.OK
    return watch(client, view, wanted, reports)


def watch(client: WheelyardClient, view: RequestView, wanted: DependencyFiles | None, reports: Reports) -> ExitCode:
    """Show a request until it ends, then its result."""
    with _without_commands(github=reports.github):
        try:
            view = _show_until_over(client, view)
        except KeyboardInterrupt:
            note(f"the builds go on; follow them with: {_way_back(view, reports)}")
            note(f"cancel them with: wheelyard request {view.id} --cancel")
            return ExitCode.INTERRUPTED
        show(view, as_json=reports.as_json, url=client.url)
    _report(client, view, wanted, reports)
    return ExitCode.OK if view.is_installable else ExitCode.BUILD_FAILED


def _way_back(view: RequestView, reports: Reports) -> str:
    """Return the command that follows the request again and writes the same reports."""
    command = ["wheelyard", "request", view.id, "--wait"]
    if reports.lock is not None:
        command += [*reports.files, "--lock-out", str(reports.lock)]
    if reports.junit is not None:
        command += ["--junit", str(reports.junit)]
    return shlex.join(command)


def write_lock(client: WheelyardClient, view: RequestView, wanted: DependencyFiles, path: Path) -> None:
    """Write the lock file that installs from our index; if the path is a folder, write all files into it."""
    locked: LockView = client.lock_request(view.id, wanted)
    start = wanted.file or ""
    whole = path.resolve() if path.is_dir() else folder_of(path, start)
    written = {name: text for name, text in locked.files.items() if name != COMMAND_LINE}
    texts = {path: locked.text} if whole is None else {whole / name: text for name, text in written.items()}
    for place, text in texts.items():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8", newline="")
        note(f"lock file that installs from our index: {path if place == path else place}")


def folder_of(path: Path, start: str) -> Path | None:
    """Return the folder that the names in a lock file are relative to; None if the path is not that lock file's."""
    parts = PurePosixPath(start).parts
    place = path.resolve()
    return (
        place.parents[len(parts) - 1] if place.parts[-len(parts) :] == parts and len(parts) < len(place.parts) else None
    )


def show(view: RequestView, *, as_json: bool, url: str) -> None:
    """Print the present state of a request."""
    if as_json:
        print_json(view.model_dump(mode="json"))
    else:
        output().print(_item_table(view.items, everything=True))
        _print_failures(view.items, url)
    _note_mirror(view)
    _note_commits(view)
    _note_skipped(view)
    note(_counts(view))


def _waiting_for_releases() -> Reminder:
    """Return a reminder that the service is resolving requirements, which it does before it answers."""
    began = time.monotonic()
    return Reminder(lambda: note(f"the service has been resolving for {format_seconds(time.monotonic() - began)}"))


def _show_until_over(client: WheelyardClient, view: RequestView) -> RequestView:
    console = messages()
    if not is_live(console):
        return _print_changes(client.follow_request(view.id), view)
    with Live(_Progress(view), console=console, refresh_per_second=4, transient=True) as live:
        for changed in client.follow_request(view.id):
            view = changed
            live.update(_Progress(view))
    return view


class _Progress:
    """A request as it is shown until its next update; the remaining time counts down meanwhile."""

    def __init__(self, view: RequestView) -> None:
        self._view = view
        self._since = time.monotonic()

    def __rich__(self) -> RenderableType:
        done, total = self._done, len(self._view.items)
        bar = Table.grid(padding=(0, 1))
        bar.add_row(ProgressBar(total=max(total, 1), completed=done, width=40), self.line)
        return Group(_item_table(self._view.items, everything=False), bar)

    @property
    def line(self) -> str:
        """Return the progress in words."""
        about, elapsed = "", time.monotonic() - self._since
        if self._view.seconds_left is not None:
            about = f", about {format_seconds(max(self._view.seconds_left - elapsed, 0.0))} left"
        return f"{self._done} of {len(self._view.items)}{about}"

    @property
    def _done(self) -> int:
        return sum(item.status not in _OPEN for item in self._view.items)


def _print_changes(updates: Iterator[RequestView], view: RequestView) -> RequestView:
    """Print a line for each item that ends, and the progress while none does.

    Items that had ended before are left to the table.
    """
    told = {_key(item) for item in view.items if item.status not in _OPEN}
    progress = _Progress(view)
    with Reminder(lambda: note(progress.line)) as reminder:
        for changed in updates:
            view, progress = changed, _Progress(changed)
            for item in view.items:
                if item.status not in _OPEN and _key(item) not in told:
                    told.add(_key(item))
                    reason = f": {plain_text(item.reason)}" if item.reason else ""
                    note(f"{_label(item)} {item.status.value}{reason}")
                    reminder.note_printed()
    return view


def _key(item: ItemView) -> tuple[str, str, str, str]:
    return item.project, item.version, item.python, item.platform


@contextmanager
def _without_commands(*, github: bool) -> Iterator[None]:
    """Keep GitHub Actions from obeying workflow commands in untrusted text.

    https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
    """
    token = secrets.token_hex(16)
    if github:
        sys.stderr.write(f"::stop-commands::{token}\n")
    try:
        yield
    finally:
        if github:
            sys.stderr.write(f"::{token}::\n")


def _item_table(items: tuple[ItemView, ...], *, everything: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("PROJECT", "VERSION", "PYTHON", "PLATFORM", "STATUS", "WHEEL OR REASON"):
        table.add_column(column, overflow="fold")
    shown = items if everything else [item for item in items if item.status in {*_OPEN, ItemStatus.FAILED}][:_ROWS]
    for item in shown:
        status = Text(item.status.value, style=_STYLES[item.status])
        table.add_row(item.project, item.version, item.python, item.platform, status, _outcome(item))
    return table


def _print_failures(items: tuple[ItemView, ...], url: str) -> None:
    """Print the hint for each failure, once for all targets that share it, in lines that can be copied."""
    targets: dict[tuple[str, ...], list[str]] = {}
    for item in items:
        if lines := explain_item(item, url):
            cause = f"{item.project} {item.version} {item.status.value}: {plain_text(item.reason)}"
            targets.setdefault((cause, *lines), []).append(f"Python {item.python} on {item.platform}")
    for (cause, *lines), places in targets.items():
        output().print(Text.assemble("\n", (cause, "bold")), soft_wrap=True)
        for line in (f"for {', '.join(places)}", *lines):
            output().print(Text(f"  {line}"), soft_wrap=True)


def _report(client: WheelyardClient, view: RequestView, wanted: DependencyFiles | None, reports: Reports) -> None:
    if reports.junit is not None:
        reports.junit.write_text(junit_xml(view, url=client.url), encoding="utf-8")
    if reports.github:
        sys.stderr.writelines(f"{line}\n" for line in annotate(view, url=client.url))
    if reports.github_summary is not None:
        with reports.github_summary.open("a", encoding="utf-8") as file:
            file.write(job_summary(view, url=client.url))
    if reports.github_output is not None:
        installable = str(view.is_installable).lower()
        write_outputs(reports.github_output, {"installable": installable, "install": view.install or ""})
    if reports.lock is not None and wanted is not None and wanted.file is not None:
        write_lock(client, view, wanted, reports.lock)
    elif view.needs_lock:
        note("the input does not lead installers to all of these wheels: install from the lock file of --lock-out")
    if view.install is not None:
        note(f"install with: {view.install}")


def _folded_table(items: tuple[ItemView, ...]) -> Table:
    """Return the table of a plan, with one row for all targets of a release that share a decision."""
    rows: dict[tuple[str, str, ItemStatus, str], list[ItemView]] = {}
    for item in items:
        rows.setdefault((item.project, item.version, item.status, _outcome(item)), []).append(item)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("PROJECT", "VERSION", "STATUS", "WHEEL OR REASON", "TARGETS"):
        table.add_column(column, overflow="fold")
    for (project, version, status, outcome), alike in rows.items():
        table.add_row(project, version, Text(status.value, style=_STYLES[status]), outcome, _targets_of(alike))
    return table


def _targets_of(items: Iterable[ItemView]) -> str:
    """Return the names of targets: the Pythons of each platform."""
    pythons: dict[str, list[str]] = {}
    for item in items:
        pythons.setdefault(item.platform, []).append(item.python)
    return "; ".join(f"{', '.join(names)} on {platform}" for platform, names in pythons.items())


def _outcome(item: ItemView) -> str:
    outcome = item.filename if item.filename and item.status not in _OPEN else plain_text(item.reason)
    if item.file is not None:
        return f"{outcome} ({plain_text(item.file.address)})"
    return outcome if item.commit is None else f"{outcome} ({_commit(item.commit)})"


def _commit(source: GitSourceView) -> str:
    """Return the name of a commit, with the ref that it was asked for by."""
    ref = "" if source.ref in {source.commit, DEFAULT_REF} else f", {source.ref}"
    return plain_text(f"commit {source.commit[:12]}{ref} of {source.git}")


def _note_commits(view: PlanView) -> None:
    """Say what users must know of commits, such as that a tag was moved."""
    for warning in dict.fromkeys(text for item in view.items if item.commit for text in item.commit.warnings):
        note(f"warning: {plain_text(warning)}")


def _note_mirror(view: PlanView) -> None:
    if view.mirror == "never" and view.prefer is Prefer.UPSTREAM:
        note("this service mirrors no upstream wheels (WHEELYARD_MIRROR=never): it builds them")


def _note_skipped(view: PlanView) -> None:
    for one in view.skipped:
        place = one.file if one.line is None else f"{one.file}:{one.line}"
        note(f"{place}: left out {plain_text(one.text)!r}: {plain_text(one.reason)}")
    if view.skipped and not view.items:
        note("not installable: no line asks for a release that an index could have")
    elif missing_lines(view):
        note("not installable: some lines cannot be served; if you install them by other means, add --allow-skipped")


def _is_incomplete(view: PlanView) -> bool:
    """Return whether a line needs something that our index cannot have, or no line could be used."""
    return bool(missing_lines(view)) or bool(view.skipped and not view.items)


def _counts(view: PlanView) -> str:
    counts = ", ".join(f"{number} {status.value}" for status, number in view.counts.items()) or "nothing to do"
    total, joined = len(view.builds), sum(build.joined for build in view.builds)
    already = f", {joined} of them already exist" if joined else ""
    return f"{counts}; {total or 'no'} build{'' if total == 1 else 's'}{already}"


def _label(item: ItemView | StartedView) -> str:
    return f"{item.project} {item.version} for Python {item.python} on {item.platform}"
