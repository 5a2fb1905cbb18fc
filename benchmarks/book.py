"""Build every built-in recipe through a running service, and write the results as a table into `docs/book.md`.

Every recipe, and a few projects that need none, is built on every suite and Python of the service, several at once;
where a recipe says that an older release fits a suite, that one too. The page is written after each build, and later
runs merge into it, so that a run that was stopped continues with `--missing`. At the end it prints its own rows.

    python -m benchmarks.book [--only NAME ...] [--suite NAME ...] [--python X.Y ...] [--missing | --failed]
                             [--collect] [--at-once N] [--seconds N]

It needs a running service (`wheelyard up`). If that is unavailable for a moment, it waits.
"""

import argparse
import platform
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
from benchmarks.book_table import BUILT, UNSUPPORTED, Row, RowKey, cell, read_rows, size, write_page, write_table
from packaging.requirements import Requirement

from wheelyard.cli.connection import find_connection
from wheelyard.domain.catalogue.catalogue import parse_catalogue
from wheelyard.domain.recipes.types import BOOK_SUITES
from wheelyard.resources import data_path

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs" / "book.md"
WITHOUT_RECIPE: Final = (
    *("argon2-cffi-bindings", "greenlet", "idna", "markupsafe", "msgpack", "psutil", "pycryptodome"),
    *("tornado", "zstandard"),
)
FREE_THREADED: Final = ("aiohttp", "bitarray", "multidict", "propcache", "regex", "simplejson", "wrapt")
"""More projects for free-threaded Pythons, which their authors say something about."""
PYTHONS: Final = ("3.13", "3.13t", "3.11")
"""The Pythons of the page. The catalogue's others cannot be had everywhere, and were not where the page was made."""
OLDER: Final = {
    "bookworm": ("confluent-kafka<2.1", "gdal==3.6.2", "matplotlib<3.11", "pygit2<1.12", "pyproj<3.7"),
    "bullseye": (
        *("confluent-kafka<1.7", "cryptography<47", "h5py<3.15", "matplotlib<3.11", "pycurl<7.48", "pygit2<1.7"),
        "shapely<2.2",
    ),
    "trixie": ("confluent-kafka<2.9", "gdal==3.10.3", "matplotlib<3.11"),
}
"""Older releases that recipes recommend where a suite's libraries are too old for the newest one."""
NOT_SERVED: Final = ("release-unsupported", "toolchain-too-old")
"""Error codes of requests that the suite's libraries or compilers are too old for."""
UNFINISHED: Final = ("queued", "running")
DECIDED: Final = ("succeeded", "failed")
DAY_SECONDS: Final = 86_400
AWAY: Final = (429, 502, 503, 504)
"""Statuses of a service that is busy, starting, or lacks a backend."""
PAUSES: Final = (1, 2, 4, 8, 15, 30, 60, 60, 60, 60)
"""Seconds before each further try."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A project to build on one builder."""

    requirement: str
    """A project's name, or a requirement of an older release."""
    suite: str
    python: str
    platform: str

    @property
    def key(self) -> RowKey:
        """The row that it makes."""
        return self.requirement, self.suite, self.python


def main() -> None:
    """Build what the options select, and write the page after each build."""
    options = _parse_options()
    connection = find_connection(options.url)
    headers = {"Authorization": f"Bearer {connection.token}"}
    rows, own = read_rows(PAGE.read_text()) if PAGE.exists() else {}, list[Row]()
    wanted = set(list_keys())
    rows = {key: row for key, row in rows.items() if key in wanted}
    with httpx.Client(base_url=connection.url, headers=headers, timeout=60) as client:
        entries = [entry for entry in _list_entries(client, options) if _is_wanted(rows.get(entry.key), options)]
        for number, row in enumerate(_make_rows(client, entries, options), start=1):
            rows = {**rows, row.key: row}
            own.append(row)
            PAGE.write_text(write_page(rows, missing=sorted(wanted - rows.keys())))
            print(f"{number}/{len(entries)}", *row.key, row.version, row.result, row.seconds, row.tag, flush=True)
    print(f"\n{write_table(own)}")


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these projects")
    parser.add_argument("--suite", nargs="+", metavar="NAME", help="on these suites")
    parser.add_argument("--python", nargs="+", metavar="X.Y", help="for these Pythons")
    parser.add_argument("--collect", action="store_true", help="build nothing, take the newest builds that there are")
    parser.add_argument("--at-once", type=int, default=1, metavar="N", help="so many at a time; the service has slots")
    parser.add_argument("--seconds", type=float, metavar="N", help="begin no further build after this time")
    parser.add_argument("--url", help="address of the service; default: the one that runs here")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--missing", action="store_true", help="only what the page has no row of")
    which.add_argument("--failed", action="store_true", help="only what the page shows as failed")
    return parser.parse_args()


def list_keys() -> Iterator[RowKey]:
    """Yield every row that the page should have."""
    book = parse_catalogue((data_path("builders") / "builders.toml").read_text(encoding="utf-8"))
    for builder in (one for one in book.builders() if one.suite in BOOK_SUITES and one.python in PYTHONS):
        for requirement in list_requirements(builder.suite, None, python=builder.python):
            yield requirement, builder.suite, builder.python


def _list_entries(client: httpx.Client, options: argparse.Namespace) -> Iterator[Entry]:
    """Yield every project on every builder that the options select."""
    for builder in ask(client, "GET", "/v1/builders").raise_for_status().json():
        if builder["kind"] == "image" or builder["suite"] not in (options.suite or [builder["suite"]]):
            continue
        target = f"{builder['policy']}_{platform.machine()}"
        for python in [python for python in builder["pythons"] if python in (options.python or PYTHONS)]:
            for requirement in list_requirements(builder["suite"], options.only, python=python):
                yield Entry(requirement=requirement, suite=builder["suite"], python=python, platform=target)


def list_requirements(suite: str, only: list[str] | None, *, python: str) -> Iterator[str]:
    """Yield the requirements for a builder: the newest releases, and older ones that recipes recommend there."""
    more = FREE_THREADED if python.endswith("t") else ()
    for requirement in sorted({*_recipe_names(), *WITHOUT_RECIPE, *OLDER.get(suite, ()), *more}):
        if only is None or Requirement(requirement).name in only:
            yield requirement


def _recipe_names() -> list[str]:
    folder = ROOT / "recipes"
    return [file.stem for file in folder.glob("*.toml")] + [file.parent.name for file in folder.glob("*/recipe.toml")]


def _is_wanted(row: Row | None, options: argparse.Namespace) -> bool:
    if options.missing:
        return row is None
    return not options.failed or (row is not None and row.result.partition(":")[0] not in {BUILT, UNSUPPORTED})


def _make_rows(client: httpx.Client, entries: Iterable[Entry], options: argparse.Namespace) -> Iterator[Row]:
    """Yield rows as they are made; when the time is over, no further build begins."""
    begun, make = time.monotonic(), _collect if options.collect else _build

    def make_in_time(entry: Entry) -> Row | None:
        is_over = options.seconds is not None and time.monotonic() - begun > options.seconds
        return None if is_over else make(client, entry)

    with ThreadPoolExecutor(options.at_once) as pool:
        for done in as_completed([pool.submit(make_in_time, entry) for entry in entries]):
            if row := done.result():
                yield row


def _build(client: httpx.Client, entry: Entry) -> Row:
    body = {"requirement": entry.requirement, "python": entry.python, "platform": entry.platform}
    answer = ask(client, "POST", "/v1/builds", json=body)
    if answer.is_error:
        return _refused_row(entry, answer.json())
    build = answer.json()
    while build["status"] in UNFINISHED:
        wait_for(client, build)
        build = ask(client, "GET", build["url"]).raise_for_status().json()
    return _finished_row(entry, build)


def ask(client: httpx.Client, method: str, url: str, **options: Any) -> httpx.Response:  # noqa: ANN401  httpx's own
    """Ask the service, again if it is unavailable for a moment; the last answer counts."""
    for pause in PAUSES:
        try:
            answer = client.request(method, url, **options)
        except httpx.TransportError as error:
            print(f"the service is unavailable ({error}), asking again in {pause} s", flush=True)
        else:
            if answer.status_code not in AWAY:
                return answer
            print(f"the service answered {answer.status_code}, asking again in {pause} s", flush=True)
        time.sleep(pause)
    return client.request(method, url, **options)


def wait_for(client: httpx.Client, build: dict[str, Any]) -> None:
    """Read a build's log until it ends, or until the service is unavailable for a moment."""
    events = {"Accept": "text/event-stream"}
    try:
        with client.stream("GET", build["log_url"], headers=events, timeout=DAY_SECONDS) as lines:
            for line in lines.iter_lines():
                if line == "event: end":
                    return
    except httpx.TransportError:
        pass
    time.sleep(1)


def _collect(client: httpx.Client, entry: Entry) -> Row | None:
    """Return the newest build of an entry that is over; a cancelled one does not count."""
    query: dict[str, str | int] = {"project": Requirement(entry.requirement).name, "limit": 200}
    for found in ask(client, "GET", "/v1/builds", params=query).raise_for_status().json()["builds"]:
        if (found["python"], found["platform"]) == (entry.python, entry.platform) and found["status"] in DECIDED:
            build = ask(client, "GET", found["url"]).raise_for_status().json()
            if build["requirement"] == entry.requirement:
                return _finished_row(entry, build)
    return None


def _refused_row(entry: Entry, problem: dict[str, Any]) -> Row:
    kind = UNSUPPORTED if problem["code"] in NOT_SERVED else problem["code"]
    version = problem["context"].get("release", "").rpartition(" ")[2]
    return _row(entry, version=version, result=f"{kind}: {problem['detail']}")


def _finished_row(entry: Entry, build: dict[str, Any]) -> Row:
    version, wheel = build["version"], build["wheel"]
    timings = build["attempts"][-1]["timings"]
    seconds = f"{sum(timing['seconds'] for timing in timings if timing['stage'] != 'prepare'):.0f}"
    if wheel is None:
        failure = build["failure"] or {"code": build["status"], "summary": ""}
        return _row(entry, version=version, result=f"{failure['code']}: {failure['summary']}", seconds=seconds)
    unknown = sum(library["package"] is None for library in wheel["grafted"])
    grafted = str(len(wheel["grafted"])) + (f" ({unknown})" if unknown else "")
    tag = wheel["tag"].removesuffix(f"_{platform.machine()}")
    return _row(
        entry,
        version=version,
        result=BUILT,
        seconds=seconds,
        tag=tag,
        grafted=grafted,
        size=size(wheel["size_bytes"]),
        gil=_verdict([one for proof in wheel["proofs"] for one in proof["threading"]]),
    )


def _verdict(modules: list[dict[str, Any]]) -> str:
    """Say how many extension modules leave the GIL off, and survived eight threads."""
    if not modules:
        return ""
    off = sum(one["gil_off"] for one in modules)
    tried = [one["survives_threads"] for one in modules if one["survives_threads"] is not None]
    return f"{off} of {len(modules)} off" + (f", {sum(tried)} of {len(tried)} survived" if tried else "")


def _row(entry: Entry, *, version: str, result: str, **figures: str) -> Row:
    empty = dict.fromkeys(("seconds", "tag", "grafted", "size"), "")
    return Row(
        project=entry.requirement,
        version=version,
        suite=entry.suite,
        python=entry.python,
        result=cell(result),
        **{**empty, **figures},
    )


if __name__ == "__main__":
    main()
