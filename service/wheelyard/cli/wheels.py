"""Print published wheels, and the differences between devpi and the listed wheels."""

import tarfile
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from rich.text import Text

from wheelyard.api.schemas.files import FileView
from wheelyard.api.schemas.index import DisownedView, FindingView, IndexedWheelView, IndexReportView
from wheelyard.api.schemas.sources import WheelSourcesView
from wheelyard.cli.builds import show_events
from wheelyard.cli.client import WheelyardClient
from wheelyard.cli.console import format_size, note, output, print_json
from wheelyard.cli.problem import ExitCode, Problem, ProblemError
from wheelyard.cli.report import report_pushed
from wheelyard.domain.builds.log_text import plain_line
from wheelyard.domain.index.index import Level
from wheelyard.domain.index.uploads import UploadState
from wheelyard.domain.index.wheels import Standing
from wheelyard.domain.prebuilds.sdists import ALL_TARGETS, NamedTargets
from wheelyard.errors import (
    HashMismatchError,
    InvalidWheelError,
    NotFoundError,
    PublishForbiddenError,
    SourcesIncompleteError,
)

_POLL_SECONDS: Final = 1.0
_LISTED_SECONDS: Final = 60.0
"""How long to wait for the listing of an sdist after the last of its builds, which takes seconds."""
_MOST_SOURCE_BYTES: Final = 8 << 30
"""Maximum size of the sources of one wheel."""
_FOR_ALL: Final = frozenset({ExitCode.OPERATOR, ExitCode.UNAUTHENTICATED})
"""Exit codes of problems that each further file would have, too."""


def list_wheels(
    client: WheelyardClient, *, project: str | None, standing: str | None, limit: int, as_json: bool
) -> ExitCode:
    """Print the newest wheels that match."""
    page = client.wheels(project=project, standing=standing, limit=limit)
    if as_json:
        print_json(page.model_dump(mode="json"))
        return ExitCode.OK
    console = output()
    for wheel in page.wheels:
        uploaded = wheel.uploaded_at.astimezone().strftime("%Y-%m-%d %H:%M")
        facts = filter(None, (wheel.origin, format_size(wheel.size_bytes), uploaded, describe(wheel)))
        console.print(Text(wheel.filename, style="bold"), soft_wrap=True)
        console.print(Text(f"  {'  '.join(facts)}"), soft_wrap=True)
    if not page.wheels:
        note("no wheel matches")
    elif page.next:
        note("there are more: raise --limit, or filter")
    return ExitCode.OK


@dataclass(frozen=True, kw_only=True, slots=True)
class _Pushed:
    """What became of one file of ``push``: an upload, or the problem that prevented it."""

    file: Path
    upload: FileView | None = None
    problem: Problem | None = None

    @property
    def exit_code(self) -> ExitCode:
        """Return what this file alone would end the command with."""
        if self.problem is not None:
            return self.problem.exit_code
        refused = self.upload is None or self.upload.state is UploadState.REFUSED
        return ExitCode.BUILD_FAILED if refused else ExitCode.OK


def push_files(
    client: WheelyardClient,
    files: Sequence[Path],
    *,
    targets: NamedTargets = ALL_TARGETS,
    wait: bool,
    as_json: bool,
) -> ExitCode:
    """Upload files, all of them first; with ``wait``, wait until each is published or refused. Print what became of it.

    The targets are for sdists. Wheels of an sdist are waited for, too.

    A file that is refused does not stop the others; return the exit code of the first one.
    """
    pushed = [_push(client, file, targets, as_json=as_json) for file in files]
    if wait:
        pushed = [_wait_for(client, one) for one in pushed]
    if as_json:
        print_json([_pushed_document(one) for one in pushed])
    else:
        for one in pushed:
            output().print(report_pushed(one.file.name, one.upload, one.problem), soft_wrap=True)
        failed = sum(one.exit_code is not ExitCode.OK for one in pushed)
        note(f"{'1 file' if len(pushed) == 1 else f'{len(pushed)} files'}, {failed or 'none'} refused")
    return next((one.exit_code for one in pushed if one.exit_code is not ExitCode.OK), ExitCode.OK)


def _push(client: WheelyardClient, file: Path, targets: NamedTargets, *, as_json: bool) -> _Pushed:
    """Upload one file; raise ProblemError for what concerns the others, too."""
    if not file.is_file():
        return _Pushed(file=file, problem=Problem.of(NotFoundError(kind="file", name=str(file))))
    try:
        with file.open("rb") as stream:
            upload = client.push(stream, file.name, targets=ALL_TARGETS if file.suffix == ".whl" else targets)
    except OSError as error:
        reason = f"it cannot be read ({error.strerror or type(error).__name__})"
        return _Pushed(file=file, problem=Problem.of(InvalidWheelError(file=file.name, reason=reason)))
    except ProblemError as error:
        if error.problem.exit_code in _FOR_ALL and error.problem.code != PublishForbiddenError.code:
            raise
        return _Pushed(file=file, problem=error.problem)
    if not as_json and not upload.state.is_final:
        follows = f"request {upload.request_id}" if upload.request_id else f"build {upload.build_id}"
        note(f"{file.name}: uploaded, {follows}")
    return _Pushed(file=file, upload=upload)


def _wait_for(client: WheelyardClient, pushed: _Pushed) -> _Pushed:
    upload = pushed.upload
    if upload is None or upload.is_done:
        return pushed
    if upload.request_id is not None:
        return replace(pushed, upload=_wait_for_wheels(client, upload, upload.request_id))
    if upload.build_id is None:
        return pushed
    show_events(client.follow(upload.build_id), label=f"{upload.project} {upload.version}", with_log=False)
    return replace(pushed, upload=client.uploaded(upload.filename))


def _wait_for_wheels(client: WheelyardClient, upload: FileView, request_id: str) -> FileView:
    """Wait for the end of a request, and for the sdist, which is published after its first wheel."""
    note(f"{upload.filename}: its wheels are being built")
    for _ in client.follow_request(request_id):
        pass
    end = time.monotonic() + _LISTED_SECONDS
    while not (upload := client.uploaded(upload.filename)).is_done and time.monotonic() < end:
        time.sleep(_POLL_SECONDS)
    return upload


def _pushed_document(pushed: _Pushed) -> dict[str, object]:
    upload, problem = pushed.upload, pushed.problem
    return {
        "file": str(pushed.file),
        "result": "not-uploaded" if upload is None else upload.state.value,
        "upload": None if upload is None else upload.model_dump(mode="json"),
        **({"error": None} if problem is None else problem.as_json()),
    }


def show_sources(client: WheelyardClient, filename: str, *, as_json: bool) -> ExitCode:
    """Print what a wheel was made from, with addresses and hashes."""
    found = client.sources(filename)
    if as_json:
        print_json(found.model_dump(mode="json"))
        return ExitCode.OK
    console = output()
    for source in found.sources:
        console.print(Text(f"{source.kind}  {source.name} {source.version}", style="bold"), soft_wrap=True)
        for file in source.files:
            size = f"  {format_size(file.size_bytes)}" if file.size_bytes is not None else ""
            console.print(Text(f"  {file.url}{size}"), soft_wrap=True)
            console.print(Text(f"  sha256 {file.sha256}", style="dim"), soft_wrap=True)
        if source.problem:
            console.print(Text(f"  {plain_line(source.problem)}", style="yellow"), soft_wrap=True)
    if not found.sources:
        note("no source is recorded: it was mirrored or brought as it is, or its build was deleted")
    return ExitCode.OK


def fetch_sources(client: WheelyardClient, filename: str, archive: Path, *, as_json: bool) -> ExitCode:
    """Fetch all sources of a wheel into a tar file, each checked by its hash. Equal sources give equal bytes.

    Raises:
        SourcesIncompleteError: A source has no address, or all together are too large.
        DownloadFailedError, HashMismatchError: A file could not be fetched, or is another one.
    """
    found = client.sources(filename)
    problems = [f"{one.name} {one.version}: {one.problem}" for one in found.sources if one.problem]
    if problems or not found.sources:
        raise SourcesIncompleteError(wheel=filename, problems=problems or ["no source of it is recorded"])
    partial = archive.with_name(f".{archive.name}.partial")
    try:
        with tarfile.open(partial, "w", format=tarfile.GNU_FORMAT) as tar:
            count, size = _fetch_all(client, found, tar)
        partial.replace(archive)
    except OSError as error:
        reason = f"{archive} cannot be written ({error.strerror or type(error).__name__})"
        raise SourcesIncompleteError(wheel=filename, problems=[reason]) from error
    finally:
        partial.unlink(missing_ok=True)
    if as_json:
        print_json({"archive": str(archive), "files": count, "size_bytes": size})
    else:
        note(f"{archive}: {count} files of {len(found.sources)} sources, {format_size(size)}, all with their hashes")
    return ExitCode.OK


def _fetch_all(client: WheelyardClient, found: WheelSourcesView, tar: tarfile.TarFile) -> tuple[int, int]:
    """Add the files of all sources to an archive; return their number and their size in bytes."""
    count = size = 0
    for source in found.sources:
        for file in source.files:
            left = _MOST_SOURCE_BYTES - size
            if file.size_bytes is not None and file.size_bytes > left:
                limit = format_size(_MOST_SOURCE_BYTES)
                raise SourcesIncompleteError(wheel=found.filename, problems=[f"they are larger than {limit}"])
            note(f"{source.name}: {file.url}")
            with tempfile.TemporaryFile() as target:
                digest = client.download(
                    file.url, target, limit_bytes=left if file.size_bytes is None else file.size_bytes
                )
                if digest != file.sha256:
                    raise HashMismatchError(what=file.url, expected=file.sha256, found=digest)
                member = tarfile.TarInfo(f"{source.kind}/{source.name}_{source.version}/{file.name}")
                member.size = target.tell()
                target.seek(0)
                tar.addfile(member, target)
            count, size = count + 1, size + member.size
    return count, size


def show_wheel(wheel: IndexedWheelView, *, as_json: bool) -> ExitCode:
    """Print the standing of a wheel."""
    if as_json:
        print_json(wheel.model_dump(mode="json"))
    else:
        output().print(Text(f"{wheel.filename}: {describe(wheel) or 'offered'}"), soft_wrap=True)
    return ExitCode.OK


def describe(wheel: IndexedWheelView) -> str:
    """Return what is unusual about a wheel: staged, yanked or deleted; else an empty text."""
    staged = "staged" if wheel.level is Level.STAGING else ""
    if wheel.standing is Standing.OFFERED:
        return staged
    reason = f": {plain_line(wheel.yanked_reason)}" if wheel.standing is Standing.YANKED and wheel.yanked_reason else ""
    return ", ".join(filter(None, (staged, f"{wheel.standing}{reason}")))


def report_check(report: IndexReportView, *, as_json: bool) -> ExitCode:
    """Print the differences; return an exit code other than 0 if some are left."""
    if as_json:
        print_json(report.model_dump(mode="json"))
    else:
        for finding in report.findings:
            output().print(_finding(finding), soft_wrap=True)
        note(f"{report.wheels} wheels listed, {report.files} files on devpi, {len(report.findings)} differences")
    return ExitCode.OK if report.sound else ExitCode.OPERATOR


def _finding(finding: FindingView) -> Text:
    state, style = ("repaired", "green") if finding.mended else (str(finding.difference), "bold red")
    what = f"{finding.difference}: " if finding.mended else ""
    return Text.assemble((state, style), f"  {finding.filename}  {what}{plain_line(finding.detail)}")


def show_disowned(done: DisownedView, *, as_json: bool) -> ExitCode:
    """Print what follows from giving a name back to upstream."""
    if as_json:
        print_json(done.model_dump(mode="json"))
        return ExitCode.OK
    console = output()
    console.print(Text(f"{done.project}: no longer your own", style="bold"), soft_wrap=True)
    console.print(Text(f"  it was, because of {', '.join(done.sdists)}"), soft_wrap=True)
    console.print("  the upstream index may be asked for it again, by users, requests and builds", soft_wrap=True)
    console.print("  an sdist that is uploaded later makes it your own again", soft_wrap=True)
    return ExitCode.OK
