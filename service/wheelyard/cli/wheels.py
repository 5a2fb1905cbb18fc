"""Print published wheels, and the differences between devpi and the listed wheels."""

from rich.text import Text

from wheelyard.api.schemas.index import FindingView, IndexedWheelView, IndexReportView
from wheelyard.cli.client import WheelyardClient
from wheelyard.cli.console import format_size, note, output, print_json
from wheelyard.cli.problem import ExitCode
from wheelyard.domain.builds.log_text import plain_line
from wheelyard.domain.index.index import Level
from wheelyard.domain.index.wheels import Standing


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
