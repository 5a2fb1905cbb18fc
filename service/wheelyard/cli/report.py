"""Describe the result of a build for people."""

import textwrap
from collections.abc import Iterator
from typing import Final

from pydantic import TypeAdapter
from rich.console import Group, RenderableType
from rich.text import Text

from wheelyard.api.schemas.builds import AwaitedBuildView, BuildView
from wheelyard.api.schemas.files import FileView
from wheelyard.api.schemas.findings import LogFindingView
from wheelyard.api.schemas.wheels import FailureView, GraftedLibraryView, HostLibraryView, WheelView
from wheelyard.cli.console import format_seconds, format_size, output
from wheelyard.cli.log_text import quote_text
from wheelyard.cli.problem import ExitCode, Problem
from wheelyard.domain.builds.build import Failure, Status, Wheel
from wheelyard.domain.builds.components import ComponentKind
from wheelyard.domain.builds.log_text import CONTAINER_GUTTER, plain_line, plain_text
from wheelyard.domain.healing.healing import Healing
from wheelyard.domain.healing.story import tell_story
from wheelyard.domain.index.uploads import UploadState

_HEALING: Final = TypeAdapter(Healing)
_SHOWN_MODULES: Final = 6
_SHOWN_FINDINGS: Final = 8
_FINDING_WIDTH: Final = 54
"""Characters of a finding beside its kind, so that a line has at most 80."""
_FACT_WIDTH: Final = 69
"""Characters of a fact of a brought wheel, so that a line has at most 80."""
_STYLES: Final = {"wheel": "bold green", "install": "bold", "warning": "yellow"}


def exit_code_of_build(build: BuildView) -> ExitCode:
    """Return the exit code of a build; a build that still runs is not a failure."""
    failed = build.status in {Status.FAILED, Status.CANCELLED}
    return ExitCode.BUILD_FAILED if failed else ExitCode.OK


def report_build(build: BuildView) -> RenderableType:
    """Return a description of a build: its wheel, its failure or its stage."""
    heading = Text.assemble(
        (f"{build.project} {build.version}", "bold"),
        f" for Python {build.python} on {build.platform}: {build.status}{_total_time(build)}",
    )
    if build.wheel is not None:
        return Group(heading, *_source(build), *_story(build), report_wheel(build.wheel))
    if build.failure is not None:
        return Group(heading, *_source(build), *_story(build), report_failure(build.failure))
    return Group(
        heading,
        *_source(build),
        Text(f"  build {build.id}{f', stage {build.stage}' if build.stage else ''}"),
        *_pause(build),
        *map(_awaited, build.waits_for),
    )


def _source(build: BuildView) -> Iterator[RenderableType]:
    """Yield the commit, folder, sdist or file that a build starts from; nothing for a release of the index."""
    sent = build.local_source
    if sent is not None:
        yield Text(f"  local {sent.kind} {plain_line(sent.name)}, sent by {plain_line(sent.sent_by)}")
        yield Text(f"  sha256 {sent.sha256}")
        if sent.commit:
            yield Text(f"  commit {sent.commit}, as its sender says")
    if (file := build.file_source) is not None:
        yield Text(f"  file {plain_line(file.address)}")
        yield Text(f"  sha256 {file.sha256}")
    source = build.source
    if source is None:
        return
    folder = f", folder {source.subdirectory}" if source.subdirectory else ""
    yield Text(f"  commit {plain_line(source.commit)} ({plain_line(source.ref)}) of {plain_line(source.git)}{folder}")
    if build.wheel is None:  # a wheel's own warnings have them
        yield from (Text(f"  warning: {plain_line(warning)}", style=_STYLES["warning"]) for warning in source.warnings)


def _story(build: BuildView) -> Iterator[RenderableType]:
    """Yield how the newest attempt healed itself, a line for each thing that it needed."""
    view = build.attempts[-1].healing if build.attempts else None
    if view is None:
        return
    healing = _HEALING.validate_python(view.model_dump(mode="json"))
    for chapter in tell_story(healing, succeeded=build.wheel is not None) if healing.rounds else ():
        yield Text(f"  {plain_line(chapter.title)}")
        yield from (Text(f"    {plain_line(step.found)}: {plain_line(step.done)}") for step in chapter.steps)
    if healing.recipe:
        which = "" if build.wheel is not None else f" --build {build.id[:8]}"  # without it, one that succeeded
        yield Text.assemble("  Keep this as its recipe: ", (f"wheelyard recipe adopt {build.project}{which}", "bold"))


def _awaited(awaited: AwaitedBuildView) -> RenderableType:
    build = f"build {awaited.build_id}" if awaited.build_id else "whose build is not queued yet"
    return Text(f"  waits for {plain_line(awaited.project)} {plain_line(awaited.version)}, {build}")


def _pause(build: BuildView) -> Iterator[RenderableType]:
    """Yield why a build waits for its next attempt, and until when."""
    if build.not_before is None:
        return
    when = build.not_before.astimezone().strftime("%H:%M:%S")
    yield Text(f"  attempt {len(build.attempts)} failed; the next one starts at {when}")
    failure = build.attempts[-1].failure if build.attempts else None
    if failure is not None:
        yield report_failure(failure)


def report_repaired(filename: str, wheel: Wheel | None, failure: Failure | None) -> RenderableType:
    """Return what became of a brought wheel: its new name, what was changed, and where it was proven; or the refusal.

    A name has a line of its own, since it alone may fill one.
    """
    heading = Text(plain_line(filename), style="bold")
    if wheel is None:
        code = failure.code if failure else "cancelled"
        lines = [_fact("result", f"refused: {code}", "bold red")]
        if failure is not None:
            lines += [_fact("why", failure.summary), _fact("to do", failure.hint)]
        return Group(heading, *lines)
    result = "changed into" if wheel.changes else "unchanged"
    new = [Text(f"    {plain_line(wheel.filename)}", style="bold green")] if wheel.changes else []
    return Group(
        heading,
        _fact("result", result, "bold green"),
        *new,
        *(_fact("change", sentence) for sentence in wheel.changes),
        *(_fact("proven", place) for place in _proven_places(wheel)),
        *(_fact("threads", told) for told in _free_threading(wheel)),
        _fact("imported", _count_imports(wheel)),
        *(_fact("needs", describe_need(HostLibraryView.model_validate(need))) for need in wheel.host_libraries),
        *(_fact("warning", warning, "yellow") for warning in wheel.warnings),
    )


def report_pushed(filename: str, upload: FileView | None, problem: Problem | None) -> RenderableType:
    """Return what became of an uploaded file: where it stands, what was changed, or why it was refused."""
    heading = Text(plain_line(filename), style="bold")
    if problem is not None:
        facts = [("result", f"not uploaded: {problem.code}"), ("why", problem.detail), ("to do", problem.hint)]
        return Group(heading, *_facts(facts, style="bold red"))
    if upload is None or upload.state is UploadState.REFUSED:
        failure = None if upload is None else upload.failure
        code = failure.code if failure else "cancelled"
        facts = [("result", f"refused: {code}")]
        facts += [("why", failure.summary), ("to do", failure.hint)] if failure else []
        return Group(heading, *_facts(facts, style="bold red"), *_build_fact(upload))
    if upload.state is not UploadState.PUBLISHED:
        return Group(heading, _fact("result", upload.state, "bold"), *_build_fact(upload))
    if upload.request_id is not None:
        return Group(heading, *_sdist_facts(upload))
    if upload.wheel_filename in {None, upload.filename}:
        return Group(heading, _fact("result", "published, unchanged", "bold green"))
    return Group(
        heading,
        _fact("result", "repaired, and published as", "bold green"),
        Text(f"    {plain_line(str(upload.wheel_filename))}", style="bold green"),
        *(_fact("change", sentence) for sentence in upload.changes),
        *(_fact("warning", warning, "yellow") for warning in upload.warnings),
    )


def _sdist_facts(upload: FileView) -> Iterator[Text]:
    """Yield the wheels of a published sdist, each on a line of its own, and what is left to do for it."""
    count = "1 wheel" if len(upload.wheels) == 1 else f"{len(upload.wheels)} wheels"
    yield _fact("result", f"published, with {count}", "bold green")
    yield from (Text(f"    {plain_line(name)}", style="bold green") for name in upload.wheels)
    if not upload.is_done:
        yield _fact("targets", f"{upload.open_targets} are still open")
    yield _fact("request", f"wheelyard request {upload.request_id}")


def _facts(facts: list[tuple[str, str]], *, style: str) -> Iterator[Text]:
    """Yield the facts that say something, the first one in a style."""
    for number, (name, value) in enumerate(facts):
        if value:
            yield _fact(name, value, "default" if number else style)


def _build_fact(upload: FileView | None) -> Iterator[Text]:
    if upload is not None and upload.build_id is not None:
        yield _fact("log", f"wheelyard logs {upload.build_id}")
    if upload is not None and upload.request_id is not None:
        yield _fact("request", f"wheelyard request {upload.request_id}")


def _fact(name: str, value: str, style: str = "default") -> Text:
    """Return a fact whose text continues below itself; words stay whole, because tags and paths are copied."""
    lines = textwrap.wrap(plain_line(value), _FACT_WIDTH, break_long_words=False, break_on_hyphens=False)
    return Text.assemble((f"  {name:<9}", "dim"), (f"\n{' ' * 11}".join(lines), style))


def _count_imports(wheel: Wheel) -> str:
    count = len(wheel.imported_modules)
    return f"{count} {'module' if count == 1 else 'modules'}{' on each of them' if len(wheel.proofs) > 1 else ''}"


def _free_threading(wheel: Wheel | WheelView) -> Iterator[str]:
    """Yield how the wheel gets on with each free-threaded Python, once for all suites where that is the same."""
    yield from dict.fromkeys(f"Python {one.python}: {one.free_threading}" for one in wheel.proofs if one.free_threading)


def _proven_places(wheel: Wheel | WheelView) -> Iterator[str]:
    """Yield each suite with the Pythons on which the wheel was proven there."""
    for suite in dict.fromkeys(proof.suite for proof in wheel.proofs):
        pythons = ", ".join(proof.python for proof in wheel.proofs if proof.suite == suite)
        yield f"{suite}, Python {pythons}"


def report_wheel(wheel: WheelView) -> RenderableType:
    """Return a description of a wheel: its name, its repair, its content, and how to install it."""
    # Lines and no table, which would break long values (hashes, commands) that users copy.
    return Group(
        *(
            Text.assemble((f"  {name:<9}", "dim"), (plain_line(value), _STYLES.get(name, "default")))
            for name, value in _wheel_facts(wheel)
        )
    )


def _wheel_facts(wheel: WheelView) -> Iterator[tuple[str, str]]:
    repaired = wheel.tag != wheel.tag_before_repair
    yield "wheel", wheel.filename
    yield "tag", f"{wheel.tag_before_repair} \u2192 {wheel.tag}" if repaired else f"{wheel.tag} (unchanged)"
    yield "policy", _describe_policy(wheel)
    for library in wheel.grafted:
        yield "grafted", describe_library(library)
    if not wheel.grafted:
        yield "grafted", "no library"
    yield from _linked_parts(wheel)
    for need in wheel.host_libraries:
        yield "needs", describe_need(need)
    for sentence in wheel.changes:
        yield "change", sentence
    for place in _proven_places(wheel):
        yield "proven", place
    for told in _free_threading(wheel):
        yield "threads", told
    yield "size", format_size(wheel.size_bytes)
    yield "tested", _describe_imports(wheel.imported_modules)
    yield "sha256", wheel.sha256
    for warning in wheel.warnings:
        yield "warning", warning
    if wheel.install:
        yield "install", wheel.install


def _linked_parts(wheel: WheelView) -> Iterator[tuple[str, str]]:
    """Yield what was linked statically; what was grafted has lines of its own."""
    for one in wheel.components:
        if one.kind is not ComponentKind.GRAFTED:
            yield one.kind.value, f"{one.name} {one.version}, {one.license or 'license not known'}"


def _describe_policy(wheel: WheelView) -> str:
    if wheel.policy_reason is not None:
        return wheel.policy_reason.sentence
    return wheel.policy or "none: a pure wheel runs on any platform"


def describe_library(library: GraftedLibraryView) -> str:
    """Return which library was grafted, from which system package, and what needs it."""
    way = ", for " + " \u2192 ".join(library.chain[:-1]) if len(library.chain) > 1 else ""
    way += " (beyond the policy)" if library.beyond_policy else ""
    if library.package is None:
        return f"{library.soname}, from no system package{way}"
    return f"{library.soname} from {library.package} {library.package_version or ''}".rstrip() + way


def describe_need(need: HostLibraryView) -> str:
    """Return which library the wheel's host must have, and in which package."""
    return f"its host must have {need.soname} ({need.package or 'no known package'}): {need.reason}"


def _describe_imports(modules: tuple[str, ...]) -> str:
    shown = ", ".join(modules[:_SHOWN_MODULES])
    more = f" and {len(modules) - _SHOWN_MODULES} more" if len(modules) > _SHOWN_MODULES else ""
    return f"imported {shown}{more} in the bare runtime image" if modules else "installed in the bare runtime image"


def report_failure(failure: FailureView) -> RenderableType:
    """Return a description of a failure: code, stage, summary, excerpt of the log, hint."""
    where = f" in the {failure.stage} stage" if failure.stage else ""
    parts: list[RenderableType] = [
        Text.assemble((f"error[{failure.code}]", "bold red"), f"{where}: {_indent(failure.summary)}")
    ]
    if failure.log_excerpt:
        parts.append(quote_text(failure.log_excerpt, output()))
    if len(failure.findings) > 1:
        parts.extend(_report_findings(failure.findings))
    if failure.hint:
        parts.append(Text.assemble(("hint: ", "bold cyan"), _indent(failure.hint)))
    return Group(*parts)


def _report_findings(findings: tuple[LogFindingView, ...]) -> Iterator[RenderableType]:
    """Yield what is missing or wrong, a line each; a single one is in the summary already."""
    yield Text(f"{len(findings)} things are missing or wrong:", style="bold")
    for one in findings[:_SHOWN_FINDINGS]:
        version = f" {one.bound}" if one.bound else ""
        has = f" (has {one.found})" if one.found else ""
        said = f"{one.name}{version}{has}" if one.name else one.cause
        yield Text.assemble("  ", (f"{one.kind:<22}", "yellow"), _cut(plain_line(said)))
    if len(findings) > _SHOWN_FINDINGS:
        yield Text(f"  and {len(findings) - _SHOWN_FINDINGS} more; --json lists all", style="dim")


def _cut(text: str) -> str:
    return text if len(text) <= _FINDING_WIDTH else f"{text[: _FINDING_WIDTH - 1]}…"


def _indent(text: str) -> str:
    """Return cleaned text that may contain untrusted lines; all lines but the first get a container's gutter."""
    return plain_text(text).replace("\n", f"\n    {CONTAINER_GUTTER}")


def _total_time(build: BuildView) -> str:
    if build.finished_at is None or build.started_at is None:
        return ""
    return f" in {format_seconds((build.finished_at - build.started_at).total_seconds())}"
