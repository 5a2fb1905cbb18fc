"""Build projects by name with an empty recipe book, and write what came of each into `docs/healing.md`.

Two services of its own are started, each with a state directory of its own: one that finds an empty recipe for every
project that is named, and, for those that the book has a recipe of, one with the book. The seconds of the second are
what the first is measured by. The page is written after each build; `--missing` continues a run that was stopped.

    python -m benchmarks.heal NAME... [--names FILE ...] [--missing] [--at-once N] [--seconds N] [--python X.Y]
                              [--state DIR] [--without-book]

FILE has a name on each line, or is a TOML file whose tables have the names as keys (shared/corpus.toml).
"""

import argparse
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any, Final

import httpx
from benchmarks.book import UNFINISHED, ask, wait_for
from benchmarks.book_table import cell

from wheelyard.cli.connection import read_service, read_token

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs" / "healing.md"
MARK: Final = "<!-- Made by benchmarks/heal.py from here on; do not edit. -->"
RULE: Final = "---"
BUILT: Final = ("at once", "predicted", "healed")
START_SECONDS: Final = 900.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One project, as the table shows it."""

    project: str
    version: str
    result: str
    """``at once``, ``predicted``, ``healed in N``, or ``failed: TYPE``."""
    seconds: str
    beside_recipe: str
    """The seconds as a ratio to those with the book's recipe; empty without one."""
    added: str
    beyond_recipe: str
    """Packages that were added and that the book's recipe does without."""


def main() -> None:
    """Build what the options name, and write the page after each build."""
    options = _parse_options()
    names = list(_list_names(options))
    rows = read_rows(PAGE.read_text(encoding="utf-8")) if PAGE.exists() else {}
    wanted = [name for name in names if not options.missing or name not in rows]
    begun = time.monotonic()
    with ExitStack() as stack:
        state = Path(options.state or stack.enter_context(tempfile.TemporaryDirectory()))
        empty = stack.enter_context(
            service(state / "empty", recipes=_empty_book(state / "recipes", names), at_once=options.at_once)
        )
        book = None if options.without_book else stack.enter_context(service(state / "book", recipes=None, at_once=1))

        def make(name: str) -> Row | None:
            is_over = options.seconds is not None and time.monotonic() - begun > options.seconds
            return None if is_over else make_row(name, empty, book, python=options.python)

        with ThreadPoolExecutor(options.at_once) as pool:
            for done in as_completed([pool.submit(make, name) for name in wanted]):
                if (row := done.result()) is not None:
                    rows[row.project] = row
                    PAGE.write_text(write_page(PAGE.read_text(encoding="utf-8"), rows), encoding="utf-8")
                    print(*astuple(row), sep=" | ", flush=True)
    print(summarise(rows.values()))


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="*", help="projects")
    parser.add_argument("--names", nargs="+", type=Path, default=[], metavar="FILE", help="files of projects")
    parser.add_argument("--missing", action="store_true", help="only what the page has no row of")
    parser.add_argument("--at-once", type=int, default=1, metavar="N", help="so many at a time")
    parser.add_argument("--seconds", type=float, metavar="N", help="begin no further build after this time")
    parser.add_argument("--python", default="3.13", metavar="X.Y", help="the Python to build for")
    parser.add_argument(
        "--state", metavar="DIR", help="where the services keep their state; default: removed afterwards"
    )
    parser.add_argument("--without-book", action="store_true", help="do not build with the book's recipes beside it")
    return parser.parse_args()


def _list_names(options: argparse.Namespace) -> Iterator[str]:
    yield from options.name
    for file in options.names:
        text = file.read_text(encoding="utf-8")
        if file.suffix == ".toml":
            yield from (name for table in tomllib.loads(text).values() for name in table)
        else:
            yield from (line.split("#")[0].strip() for line in text.splitlines() if line.split("#")[0].strip())


def _empty_book(folder: Path, names: Iterable[str]) -> Path:
    """Write a recipe without any key for each project: it replaces the one of the book."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / f"{name}.toml").write_text(f'schema = 1\nname = "{name}"\n[[rule]]\n', encoding="utf-8")
    return folder


@contextmanager
def service(state: Path, *, recipes: Path | None, at_once: int) -> Iterator[httpx.Client]:
    """Run a service, and yield a client of it."""
    env = {
        **os.environ,
        "WHEELYARD_STATE_DIR": str(state),
        "WHEELYARD_WORKER_SLOTS": str(at_once),
        "WHEELYARD_PORT": "0",
    }
    if recipes is not None:
        env["WHEELYARD_RECIPES"] = json.dumps([str(recipes)])
    state.mkdir(parents=True, exist_ok=True)
    with (state / "up.log").open("wb") as log:
        child = subprocess.Popen([sys.executable, "-m", "wheelyard", "up"], env=env, stdout=log, stderr=log)
        try:
            client = _connect(child, state)
            yield client
            client.close()
        finally:
            child.send_signal(signal.SIGINT)
            child.wait(120)


def _connect(child: subprocess.Popen[bytes], state: Path) -> httpx.Client:
    begun = time.monotonic()
    while time.monotonic() - begun < START_SECONDS and child.poll() is None:
        found = read_service(state)
        if found is not None:
            client = httpx.Client(
                base_url=found.url, headers={"Authorization": f"Bearer {read_token(state)}"}, timeout=60
            )
            if ask(client, "GET", "/readyz").is_success:
                return client
        time.sleep(0.5)
    raise SystemExit(f"the service did not start, see {state / 'up.log'}")


def make_row(name: str, empty: httpx.Client, book: httpx.Client | None, *, python: str) -> Row:
    """Build a project without a recipe, then with the book's, if it has one."""
    build = run_build(empty, name, python=python)
    recipe = _book_recipe(name) if book is not None else None
    beside = run_build(book, name, python=python) if book is not None and recipe is not None else None
    return describe(name, build, beside)


def _book_recipe(name: str) -> Path | None:
    return next((file for file in (ROOT / "recipes" / f"{name}.toml", ROOT / "recipes" / name) if file.exists()), None)


def run_build(client: httpx.Client, name: str, *, python: str) -> dict[str, Any]:
    """Return a build of the newest release once it has ended, or the problem that the service answers."""
    body = {"requirement": name, "python": python, "platform": f"manylinux_2_36_{platform.machine()}"}
    answer = ask(client, "POST", "/v1/builds", json=body)
    build: dict[str, Any] = answer.json()
    if answer.is_error:
        return {"status": "refused", "problem": build}
    while build["status"] in UNFINISHED:
        wait_for(client, build)
        build = ask(client, "GET", build["url"]).raise_for_status().json()
    return build


def describe(name: str, build: dict[str, Any], beside: dict[str, Any] | None) -> Row:
    """Describe what came of a project."""
    if "problem" in build:
        return Row(
            project=name,
            version="",
            result=cell(f"failed: {build['problem']['code']}"),
            seconds="",
            beside_recipe="",
            added="",
            beyond_recipe="",
        )
    healing = build["attempts"][-1]["healing"] or {"rounds": []} if build["attempts"] else {"rounds": []}
    added = [one for round_ in healing["rounds"] for one in round_["added"]]
    seconds, full = _seconds(build), _seconds(beside) if beside and beside.get("status") == "succeeded" else None
    known = _packages(name)
    beyond = [one["value"] for one in added if one["key"] == "apt" and one["value"] not in known] if full else []
    return Row(
        project=name,
        version=build["version"],
        result=cell(_result(build, healing["rounds"])),
        seconds=f"{seconds:.0f}",
        beside_recipe=f"{seconds / full:.2f}" if full and build["status"] == "succeeded" else "",
        added=cell(" ".join(one["value"] for one in added)),
        beyond_recipe=cell(" ".join(beyond)),
    )


def _seconds(build: dict[str, Any] | None) -> float:
    timings = build["attempts"][-1]["timings"] if build and build.get("attempts") else []
    return sum(float(timing["seconds"]) for timing in timings)


def _packages(name: str) -> set[str]:
    """Return every package that any rule of a project's recipe in the book names."""
    place = _book_recipe(name)
    if place is None:
        return set()
    text = (place if place.is_file() else place / "recipe.toml").read_text(encoding="utf-8")
    return {package for rule in tomllib.loads(text).get("rule", ()) for package in rule.get("apt", ())}


def _result(build: dict[str, Any], rounds: Sequence[dict[str, Any]]) -> str:
    tries = sum(1 for one in rounds if one["stage"])
    if build["status"] == "succeeded":
        return f"healed in {tries}" if tries else "predicted" if rounds else "at once"
    failure = build["failure"] or {"code": build["status"], "findings": []}
    kinds = [one["kind"] for one in failure["findings"]]
    return f"failed: {kinds[0] if kinds else failure['code']}"


def read_rows(text: str) -> dict[str, Row]:
    """Return a page's rows; ignore other lines."""
    names = [field.name for field in fields(Row)]
    table = text.partition(MARK)[2]
    cells = ([part.strip() for part in line.strip("|").split(" | ")] for line in table.splitlines() if line[:2] == "| ")
    found = [Row(**dict(zip(names, row, strict=True))) for row in cells if len(row) == len(names)]
    return {row.project: row for row in found if row.project != "project" and not row.project.startswith(RULE)}


def write_page(text: str, rows: dict[str, Row]) -> str:
    """Write the rows after the mark, with their summary before them."""
    names = [field.name.replace("_", " ") for field in fields(Row)]
    lines = [f"| {' | '.join(names)} |", f"|{'|'.join(RULE for _ in names)}|"]
    lines += [f"| {' | '.join(part or ' ' for part in astuple(rows[name]))} |" for name in sorted(rows)]
    table = "\n".join(lines)
    return f"{text.partition(MARK)[0]}{MARK}\n\n{summarise(rows.values())}\n\n{table}\n"


def summarise(rows: Iterable[Row]) -> str:
    """Return the counts of the results in a sentence or two."""
    every = list(rows)
    built = [row for row in every if row.result.startswith(BUILT)]
    kinds = Counter(row.result.partition(" in ")[0] for row in every)
    ratios = [float(row.beside_recipe) for row in every if row.beside_recipe.strip()]
    beside = f" Median time beside the book's recipe: {statistics.median(ratios):.2f}." if ratios else ""
    counted = ", ".join(f"{kind}: {count}" for kind, count in sorted(kinds.items()))
    return f"{len(built)} of {len(every)} projects were built ({counted}).{beside}"


if __name__ == "__main__":
    main()
