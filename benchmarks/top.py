"""Build a list of projects by name through a running service, and write the results as a Markdown table.

The list is a text file: one or more names on each line, and comments after `#`. Each project is requested on its own
with its newest release. The page is written after each build, and later runs merge into it, so that a run that was
stopped continues with `--missing`. What stands in the column of judgements is kept.

    python -m benchmarks.top NAMES.txt PAGE.md [--suite NAME] [--python X.Y] [--at-once N] [--seconds N]
                             [--only NAME ...] [--missing | --failed]

It needs a running service (`wheelyard up`). If that is unavailable for a moment, it waits.
"""

import argparse
import functools
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import httpx
from benchmarks.book import UNFINISHED, ask, wait_for
from benchmarks.book_table import cell

from wheelyard.cli.connection import find_connection

HEAD: Final = "| project | version | result | seconds | warnings | judgement |\n|---|---|---|--:|---|---|\n"
PURE: Final = "built, pure"
NATIVE: Final = "built, native"
RULES: Final = ("extension-missing", "verify-failed", "untrusted-output", "repair-failed", "runtime-requirements")
"""Codes of guards: the build itself went well, and its wheel was refused."""
_COLUMNS: Final = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class TopRow:
    """The result of one project."""

    project: str
    version: str
    result: str
    seconds: str
    warnings: str
    judgement: str = ""
    """Whether a refusal is right, in a person's words."""

    def __str__(self) -> str:
        values = (self.project, self.version, self.result, self.seconds, self.warnings, self.judgement)
        return f"| {' | '.join(values)} |\n"


def main() -> None:
    """Build what the options select, and write the page after each build."""
    options = _parse_options()
    names = read_names(options.names.read_text(encoding="utf-8"))
    rows = read_rows(options.page.read_text(encoding="utf-8")) if options.page.exists() else {}
    rows = {name: row for name, row in rows.items() if name in names}
    wanted = [name for name in names if _is_wanted(name, rows.get(name), options)]
    connection = find_connection(options.url)
    headers = {"Authorization": f"Bearer {connection.token}"}
    with httpx.Client(base_url=connection.url, headers=headers, timeout=60) as client:
        target = _find_target(client, options)
        for number, row in enumerate(_make_rows(client, wanted, target, options), start=1):
            old = rows.get(row.project)
            same = old is not None and old.result == row.result
            rows[row.project] = replace(row, judgement=old.judgement) if old is not None and same else row
            options.page.write_text(write_page(names, rows, target), encoding="utf-8")
            print(f"{number}/{len(wanted)}", row.project, row.version, row.result, row.seconds, flush=True)


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", type=Path, help="file with the projects' names")
    parser.add_argument("page", type=Path, help="Markdown file to write")
    parser.add_argument("--suite", default="bookworm", metavar="NAME", help="suite to build on; default: %(default)s")
    parser.add_argument("--python", default="3.13", metavar="X.Y", help="Python to build for; default: %(default)s")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these projects")
    parser.add_argument("--at-once", type=int, default=1, metavar="N", help="so many at a time; the service has slots")
    parser.add_argument("--seconds", type=float, metavar="N", help="begin no further build after this time")
    parser.add_argument("--url", help="address of the service; default: the one that runs here")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--missing", action="store_true", help="only what the page has no row of")
    which.add_argument("--failed", action="store_true", help="only what the page does not show as built")
    return parser.parse_args()


def read_names(text: str) -> list[str]:
    """Return the names of a list, each once."""
    words = (word for line in text.splitlines() for word in line.partition("#")[0].split())
    return list(dict.fromkeys(words))


def read_rows(text: str) -> dict[str, TopRow]:
    """Return the rows of a page, by project."""
    rows = {}
    for line in text.splitlines():
        parts = [part.strip() for part in line.strip("|\n").split(" | ")]
        if line.startswith("| ") and len(parts) == _COLUMNS and parts[0] != "project":
            project, version, result, seconds, warnings, judgement = parts
            rows[project] = TopRow(
                project=project,
                version=version,
                result=result,
                seconds=seconds,
                warnings=warnings,
                judgement=judgement.removesuffix("|").strip(),
            )
    return rows


def write_page(names: Sequence[str], rows: Mapping[str, TopRow], target: Mapping[str, str]) -> str:
    """Return the page: a summary, and a row for each project in the order of the list."""
    done = [rows[name] for name in names if name in rows]
    refused = [row for row in done if row.result.partition(":")[0] in RULES]
    built = {kind: sum(row.result == kind for row in done) for kind in (PURE, NATIVE)}
    counts = (
        f"{len(done)} of {len(names)} projects were requested: {built[PURE]} built pure, {built[NATIVE]} built native, "
        f"{len(refused)} refused, {len(done) - sum(built.values()) - len(refused)} failed.\n"
    )
    missing = [name for name in names if name not in rows]
    rest = f"\nNot requested: {', '.join(missing)}.\n" if missing else ""
    place = f"Python {target['python']} on {target['suite']} ({target['platform']})"
    head = (
        "# Much-used projects, built by name\n\n"
        f"The newest release of each project for {place}, with the recipe that the book has of it, if any. "
        "`benchmarks/top.py` wrote this table, and a person judged each refusal. *Refused* is a wheel that was built "
        "and that a check of Wheelyard refused; *failed* is a build without a wheel.\n\n"
    )
    return f"{head}{counts}{rest}\n{HEAD}{''.join(map(str, done))}"


def _is_wanted(name: str, row: TopRow | None, options: argparse.Namespace) -> bool:
    if options.only is not None and name not in options.only:
        return False
    if options.missing:
        return row is None
    return not options.failed or (row is not None and row.result not in {PURE, NATIVE})


def _find_target(client: httpx.Client, options: argparse.Namespace) -> dict[str, str]:
    builders = ask(client, "GET", "/v1/builders").raise_for_status().json()
    policy = next(one["policy"] for one in builders if one["suite"] == options.suite)
    return {"suite": options.suite, "python": options.python, "platform": f"{policy}_{platform.machine()}"}


def _make_rows(
    client: httpx.Client, names: Sequence[str], target: Mapping[str, str], options: argparse.Namespace
) -> Iterator[TopRow]:
    """Yield rows as they are made; when the time is over, no further build begins."""
    begun = time.monotonic()

    def make_in_time(name: str) -> TopRow | None:
        is_over = options.seconds is not None and time.monotonic() - begun > options.seconds
        return None if is_over else _build(client, name, target)

    with ThreadPoolExecutor(options.at_once) as pool:
        for done in as_completed([pool.submit(functools.partial(make_in_time, name)) for name in names]):
            if row := done.result():
                yield row


def _build(client: httpx.Client, name: str, target: Mapping[str, str]) -> TopRow:
    body = {"requirement": name, "python": target["python"], "platform": target["platform"]}
    answer = ask(client, "POST", "/v1/builds", json=body)
    if answer.is_error:
        problem = answer.json()
        return TopRow(
            project=name, version="", result=cell(f"{problem['code']}: {problem['detail']}"), seconds="", warnings=""
        )
    build = answer.json()
    while build["status"] in UNFINISHED:
        wait_for(client, build)
        build = ask(client, "GET", build["url"]).raise_for_status().json()
    return describe(name, build)


def describe(name: str, build: Mapping[str, Any]) -> TopRow:
    """Return the row of a build that is over."""
    wheel = build["wheel"]
    timings = build["attempts"][-1]["timings"] if build["attempts"] else []
    seconds = f"{sum(timing['seconds'] for timing in timings if timing['stage'] != 'prepare'):.0f}"
    if wheel is None:
        failure = build["failure"] or {"code": build["status"], "summary": ""}
        result = f"{failure['code']}: {failure['summary']}"
    else:
        result = PURE if wheel["is_pure"] else NATIVE
    warnings = " ".join(wheel["warnings"]) if wheel is not None else ""
    return TopRow(project=name, version=build["version"], result=cell(result), seconds=seconds, warnings=cell(warnings))


if __name__ == "__main__":
    main()
