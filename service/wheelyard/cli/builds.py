"""Request wheels, follow builds, and print logs and workers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from wheelyard.api.schemas.builds import BuildView, SubmittedBuildView
from wheelyard.api.schemas.workers import ServedView, WorkerView
from wheelyard.cli.client import BuildEvent, LogPiece, WheelyardClient
from wheelyard.cli.console import format_size, note, output, print_json
from wheelyard.cli.local.packing import pack_source
from wheelyard.cli.log_text import plain_row, print_log_line
from wheelyard.cli.problem import ExitCode, ProblemError
from wheelyard.cli.report import exit_code_of_build, report_build
from wheelyard.cli.watch import BuildWatch, LogLine, open_screen, read_lines
from wheelyard.domain.builds.git_source import is_git_requirement
from wheelyard.domain.builds.local_source import is_local_path, split_local
from wheelyard.domain.builds.log_text import CONTAINER_GUTTER, NOTE_GUTTER, LineSplitter, plain_text
from wheelyard.domain.builds.queue import Priority, WorkerState
from wheelyard.errors import UploadTooLargeError


@dataclass(frozen=True, kw_only=True, slots=True)
class WantedWheel:
    """The wheel to request; None means the service's default."""

    requirement: str
    """A requirement, a source in git, or the path of a folder or file."""
    python: str | None
    platform: str | None
    priority: Priority = Priority.INTERACTIVE


def build(client: WheelyardClient, wanted: WantedWheel, *, wait: bool, follow: bool, as_json: bool) -> ExitCode:
    """Request a wheel; with ``wait`` or ``follow``, wait until the build ends.

    Raises LocalSourceInvalidError or GitSourceInvalidError for a source that cannot be one.
    """
    submitted = _submit(client, wanted, is_quiet=as_json)
    if not as_json:
        note(f"{submitted.project} {submitted.version}: {_describe_submission(submitted, joined=submitted.joined)}")
    if wait or follow:
        return watch(client, submitted, follow=follow, as_json=as_json)
    if as_json or submitted.status.is_final:
        show(submitted, as_json=as_json)
    else:
        note(f"follow it with: wheelyard logs {submitted.id} --follow")
    return ExitCode.OK


def _submit(client: WheelyardClient, wanted: WantedWheel, *, is_quiet: bool) -> SubmittedBuildView:
    """Request a release or a commit, or send a folder or file."""
    where = {"python": wanted.python, "platform": wanted.platform}
    if is_git_requirement(wanted.requirement) or not is_local_path(wanted.requirement):
        return client.submit(wanted.requirement, **where, priority=wanted.priority)
    project, path = split_local(wanted.requirement)
    source = pack_source(path)
    with source.file:
        if not is_quiet:
            note(source.described)
        if source.warning:
            note(f"warning: {source.warning}")
        try:
            return client.submit_local(source, project=project, **where, priority=wanted.priority)
        except ProblemError as error:
            if error.problem.code != UploadTooLargeError.code or not source.largest:
                raise
            detail = f"{error.problem.detail} {source.largest}."
            raise ProblemError(replace(error.problem, detail=detail)) from error


def cancel(client: WheelyardClient, build_id: str, *, as_json: bool) -> None:
    """Cancel a build; report it if the build goes on for others."""
    build = client.cancel(build_id)
    if not build.status.is_final and not build.cancel_requested:
        note("others requested this wheel too, so the build goes on for them")
    show(build, as_json=as_json)


def retry(client: WheelyardClient, build_id: str, *, wait: bool, as_json: bool) -> ExitCode:
    """Retry a build; with ``wait``, wait until it ends."""
    again = client.retry(build_id)
    if not as_json:
        note(f"{again.project} {again.version}: {_describe_submission(again, joined=again.joined)}")
    if wait:
        return watch(client, again, follow=False, as_json=as_json)
    if as_json:
        show(again, as_json=True)
    return ExitCode.OK


def _describe_submission(build: BuildView, *, joined: bool) -> str:
    if not joined:
        return f"queued as {build.id}"
    return f"already built as {build.id}" if build.status.is_final else f"joined {build.id}, which is {build.status}"


def watch(client: WheelyardClient, build: BuildView, *, follow: bool, as_json: bool) -> ExitCode:
    """Show a build's stages (and its log) until it ends, then its result."""
    if not build.status.is_final:
        label = f"{build.project} {build.version}"
        try:
            show_events(client.follow(build.id), label=label, with_log=follow)
        except KeyboardInterrupt:
            note(f"the build goes on; follow it with: wheelyard logs {build.id} --follow")
            note(f"cancel it with: wheelyard cancel {build.id}")
            return ExitCode.INTERRUPTED
    finished = client.build(build.id)
    show(finished, as_json=as_json)
    return exit_code_of_build(finished)


def show_events(events: Iterable[BuildEvent], *, label: str, with_log: bool) -> None:
    """Show a build's stages (and its log) until it ends."""
    watcher = BuildWatch()
    with open_screen(with_log=with_log) as screen:
        screen.add(label)
        for event in events:
            for news in watcher.apply(event):
                screen.show(label, news)


def show(build: BuildView, *, as_json: bool) -> None:
    """Print a build."""
    if as_json:
        print_json(build.model_dump(mode="json"))
    else:
        output().print(report_build(build), soft_wrap=True)


def logs(client: WheelyardClient, build_id: str, *, follow: bool, as_json: bool) -> ExitCode:
    """Print a log; with ``follow``, until the build ends, and return the build's exit code."""
    if not follow:
        _print_pieces(client.log(build_id), as_json=as_json)
        return ExitCode.OK
    _print_events(client.follow(build_id), as_json=as_json)
    return exit_code_of_build(client.build(build_id))


def _print_events(events: Iterable[BuildEvent], *, as_json: bool) -> None:
    """Print the log of a stream of events; as JSON, one event a line."""
    if as_json:
        for event in events:
            # Not through rich: a program reads along and needs one line for each event, at once.
            print(event.model_dump_json(), flush=True)  # noqa: T201
        return
    splitter = LineSplitter()
    for event in events:
        if isinstance(event, LogPiece):
            _print_lines(read_lines(event, splitter))
    _print_lines(LogLine(text=text) for text in splitter.end())


def _print_pieces(pieces: Iterable[str], *, as_json: bool) -> None:
    if as_json:
        print_json({"log": "".join(pieces)})
        return
    splitter = LineSplitter()
    for piece in pieces:
        _print_lines(map(_without_gutter, splitter.feed(piece)))
    _print_lines(map(_without_gutter, splitter.end()))


def _without_gutter(line: str) -> LogLine:
    """Parse a line of a log in the text form of the API."""
    if line.startswith(NOTE_GUTTER):
        return LogLine(text=line.removeprefix(NOTE_GUTTER), is_note=True)
    return LogLine(text=line.removeprefix(CONTAINER_GUTTER))


def _print_lines(lines: Iterable[LogLine]) -> None:
    console = output()
    for line in lines:
        if console.is_terminal:
            print_log_line(console, line.text, is_note=line.is_note)
        else:
            # Not through rich, which is slow for many thousand lines and adds nothing here.
            print(plain_row(line.text, is_note=line.is_note))  # noqa: T201


_STYLES: Final = {
    WorkerState.ACTIVE: "green",
    WorkerState.DRAINING: "yellow",
    WorkerState.STOPPED: "dim",
    WorkerState.LOST: "bold red",
}


def list_workers(client: WheelyardClient, *, as_json: bool) -> ExitCode:
    """Print every worker."""
    workers = client.workers()
    if as_json:
        print_json([worker.model_dump(mode="json") for worker in workers])
        return ExitCode.OK
    for worker in workers:
        output().print(_describe(worker), soft_wrap=True)
    if not any(worker.state is WorkerState.ACTIVE for worker in workers):
        note("no worker is active, so nothing is built: start one with 'wheelyard up' or 'wheelyard worker'")
    return ExitCode.OK


def _describe(worker: WorkerView) -> RenderableType:
    room = f"{worker.slots} builds, {worker.cpus:g} cpus, {format_size(worker.memory_bytes)}"
    state = Text(str(worker.state), style=_STYLES[worker.state])
    return Group(
        Text.assemble(
            (plain_text(worker.name), "bold"), f" on {plain_text(worker.host)} ({worker.architecture})  ", state
        ),
        Text(f"  capacity: {room}"),
        *(Text(f"  builds with {builder}") for builder in _builders(worker.builders)),
        *(
            Text(f"  emulates {machine}: {builder}")
            for machine in dict.fromkeys(one.architecture for one in worker.emulated)
            for builder in _builders([one for one in worker.emulated if one.architecture == machine])
        ),
        *(Text(f"  runs {build}") for build in worker.builds),
    )


def _builders(builders: Sequence[ServedView]) -> list[str]:
    suites: dict[str, list[str]] = {}
    for served in builders:
        suites.setdefault(served.suite, []).append(served.python)
    return [f"{suite}: Python {', '.join(pythons)}" for suite, pythons in suites.items()]
