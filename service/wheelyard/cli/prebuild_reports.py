"""Results of a request in the forms that CI systems read: JUnit XML, GitHub annotations and job summaries."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET  # written only, never parsed

from wheelyard.api.schemas.requests import ItemView, PlanView, RequestView, SkippedView
from wheelyard.domain.builds.log_text import plain_text
from wheelyard.domain.prebuilds.prebuild import ItemStatus

_BAD: Final = frozenset({ItemStatus.FAILED, ItemStatus.IMPOSSIBLE})


def missing_lines(view: PlanView) -> list[SkippedView]:
    """Return the lines that were left out although they are needed, unless the request allows that."""
    return [] if view.allow_skipped else [one for one in view.skipped if one.is_wanted]


def explain_item(item: ItemView, url: str) -> list[str]:
    """Return the hint and the log's address of an item that failed; nothing for any other item.

    Args:
        item: One release for one target.
        url: The service's address.
    """
    if item.status not in _BAD:
        return []
    hint = [f"hint: {plain_text(item.hint)}"] if item.hint else []
    log = [f"log: {_log_page(item, url)} (wheelyard logs {item.build_id})"] if item.build_id else []
    return [*hint, *log]


def _log_page(item: ItemView, url: str) -> str:
    return f"{url.rstrip('/')}/builds/{item.build_id}"


def junit_xml(view: RequestView, *, url: str) -> str:
    """Return a test suite with a case for each release and target, and one for each missing line."""
    missing = missing_lines(view)
    failures = sum(item.status in _BAD for item in view.items) + len(missing)
    tests = str(len(view.items) + len(missing))
    suite = ET.Element("testsuite", name="wheelyard prebuild", tests=tests, failures=str(failures))
    suite.set("skipped", str(sum(not item.status.is_final for item in view.items)))
    for item in view.items:
        case = ET.SubElement(
            suite, "testcase", classname=f"{item.python} {item.platform}", name=f"{item.project} {item.version}"
        )
        if item.status in _BAD:
            failure = ET.SubElement(case, "failure", message=_clean(item.reason), type=item.status.value)
            failure.text = _clean("\n".join([item.reason, *explain_item(item, url)]))
        elif not item.status.is_final:
            ET.SubElement(case, "skipped", message=item.status.value)
    for one in missing:
        case = ET.SubElement(suite, "testcase", classname=_clean(one.file), name=_clean(one.text))
        ET.SubElement(case, "failure", message=_clean(one.reason), type="left-out").text = _clean(one.reason)
    return ET.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def annotate(view: RequestView, *, url: str) -> Iterator[str]:
    """Yield workflow commands that point to the lines of the input.

    https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
    """
    missing = missing_lines(view)
    for one in view.skipped:
        yield _command(
            "error" if one in missing else "warning", one.file, one.line, f"{one.text}: left out: {one.reason}"
        )
    for item in view.items:
        if item.status in _BAD:
            text = f"{item.project} {item.version} for Python {item.python} on {item.platform}: {item.reason}"
            text = "\n".join([text, *explain_item(item, url)])
            yield _command("error", item.origin.file, item.origin.line, text)


def job_summary(view: RequestView, *, url: str) -> str:
    """Return a summary as a table in Markdown."""
    head = "installable" if view.is_installable else "not installable"
    rows = "".join(f"| {' | '.join(map(_cell, _columns(item)))} | {_outcome(item, url)} |\n" for item in view.items)
    rows += "".join(f"| {_cell(one.text)} | | | | left out | {_cell(one.reason)} |\n" for one in view.skipped)
    install = f"\n```\n{view.install}\n```\n" if view.install else ""
    return (
        f"### Wheelyard: {head}\n\n| project | version | Python | platform | status | wheel or reason |\n"
        f"|---|---|---|---|---|---|\n{rows}{install}\n"
    )


def write_outputs(path: Path, values: Mapping[str, str]) -> None:
    """Append outputs of a step to the file of GitHub Actions, one a line.

    https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
    """
    with path.open("a", encoding="utf-8") as file:
        file.writelines(f"{name}={' '.join(value.split())}\n" for name, value in values.items())


def _columns(item: ItemView) -> tuple[str, ...]:
    return (
        item.project,
        item.version,
        item.python,
        item.platform,
        item.status.value,
    )


def _outcome(item: ItemView, url: str) -> str:
    """Return the wheel, or the reason for its lack with its hint and its log."""
    parts = [_cell(item.filename or item.reason)]
    if item.status in _BAD:
        parts = [_cell(text) for text in (item.reason, item.hint) if text]
        parts += [f"[log of build {item.build_id[:8]}]({_log_page(item, url)})"] if item.build_id else []
    return "<br>".join(parts)


def _cell(text: str) -> str:
    """Return untrusted text without anything that Markdown reads as markup."""
    escaped = _clean(text).replace("&", "&amp;").replace("<", "&lt;").replace("[", "&#91;")
    return " ".join(escaped.replace("|", "\\|").replace("`", "'").split())


def _command(kind: str, file: str, line: int | None, text: str) -> str:
    place = f"file={_property(file)}" + (f",line={line}" if line else "")
    return f"::{kind} {place}::{_escaped(_clean(text))}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")


def _clean(text: str) -> str:
    return plain_text(text)
