"""The table of docs/book.md: what is written is read again, later runs replace rows, and the book is whole."""

import re
from dataclasses import replace
from typing import Any, Final

import httpx
import pytest
from benchmarks import book
from benchmarks.book import FREE_THREADED, PAGE, PYTHONS, WITHOUT_RECIPE, list_keys
from benchmarks.book_table import BUILT, UNSUPPORTED, Row, RowKey, cell, read_rows, size, write_page, write_table
from packaging.requirements import Requirement

from wheelyard.adapters.recipes.folders import list_recipe_files
from wheelyard.domain.recipes.source import project_of
from wheelyard.domain.recipes.types import BOOK_SUITES
from wheelyard.resources import data_path

CORPUS = """
    idna markupsafe greenlet msgpack argon2-cffi-bindings pyyaml psycopg2 python-ldap mysqlclient pysqlite3 python-prctl
    lz4 lxml pillow xmlsec shapely dbus-python apexpy rpds-py bcrypt orjson jpype1 pyproj confluent-kafka pyzmq
"""
"""Real projects that the service was first measured with."""

BUILT_ROW = Row(
    project="pyyaml",
    version="6.0.3",
    suite="bookworm",
    python="3.13",
    result=BUILT,
    seconds="31",
    tag="cp313-cp313-manylinux_2_17",
    grafted="1",
    size="250 KiB",
)
REFUSED_ROW = Row(
    project="pyproj",
    version="",
    suite="bullseye",
    python="3.11",
    result="unsupported: it wants PROJ 9.4",
    seconds="",
    tag="",
    grafted="",
    size="",
)
ROWS = {row.key: row for row in (BUILT_ROW, REFUSED_ROW)}


def test_written_rows_are_read_again() -> None:
    assert read_rows(write_page(ROWS, missing=[])) == ROWS


def test_page_counts_each_result_by_builder() -> None:
    page = write_page(ROWS, missing=[])
    assert "| bookworm | 3.13 | 1 | 1 | 0 | 0 | 0 |" in page
    assert "| bullseye | 3.11 | 1 | 0 | 1 | 0 | 0 |" in page


def test_page_counts_grafts_and_those_of_which_no_package_is_known() -> None:
    others = [replace(BUILT_ROW, project="lxml", grafted="8 (2)"), replace(BUILT_ROW, project="idna", grafted="0")]
    page = write_page({row.key: row for row in (*ROWS.values(), *others)}, missing=[])
    assert "Libraries that were grafted, in all wheels: 9; unattributed: 2." in page


def test_later_row_of_the_same_builder_replaces_the_earlier_one() -> None:
    newer = Row(**{name: getattr(BUILT_ROW, name) for name in BUILT_ROW.__slots__} | {"version": "6.0.4"})
    assert read_rows(write_page({**ROWS, newer.key: newer}, missing=[]))[newer.key].version == "6.0.4"


def test_cell_holds_no_line_break_and_no_bar_and_is_cut() -> None:
    assert cell("a | b\n  c") == "a / b c"
    assert cell("x" * 300) == "x" * 239 + "…"


def test_size_is_for_people() -> None:
    assert size(250 * 1024) == "250 KiB"
    assert size(3 * 1024 * 1024 + 200_000) == "3.2 MiB"


def test_page_says_what_was_not_run() -> None:
    page = write_page(ROWS, missing=[("lxml", "trixie", "3.11"), ("pyyaml", "trixie", "3.11")])
    assert "- trixie, Python 3.11: lxml, pyyaml\n" in page
    assert "| trixie | 3.11 | 2 | 0 | 0 | 0 | 2 |" in page
    assert read_rows(page) == ROWS


def test_rows_of_a_run_are_printed_as_a_table() -> None:
    assert write_table([BUILT_ROW]).splitlines()[2].startswith("| pyyaml | 6.0.3 | bookworm | 3.13 | built |")


@pytest.mark.parametrize("trouble", [503, 429, httpx.ConnectError("refused")])
def test_service_that_is_away_for_a_moment_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, trouble: int | Exception
) -> None:
    waiting: list[int | Exception] = [trouble, 201]

    def answer(_: httpx.Request) -> httpx.Response:
        match waiting.pop(0):
            case int(status):
                return httpx.Response(status, json={"id": "b1"})
            case error:
                raise error

    pauses: list[float] = []
    monkeypatch.setattr("benchmarks.book.time.sleep", pauses.append)
    with httpx.Client(base_url="http://x", transport=httpx.MockTransport(answer)) as client:
        assert book.ask(client, "POST", "/v1/builds").json() == {"id": "b1"}
    assert pauses == [1]


PROVEN_PYTHON: Final = "3.13"
"""The Python that the whole book is built for, on every suite; of the others the page says what was not run."""
PAGE_ROWS = read_rows(PAGE.read_text(encoding="utf-8"))
RECIPES = {project_of(file) for file in list_recipe_files(data_path("recipes"))}


def test_every_row_of_the_book_has_a_recipe_or_needs_none() -> None:
    assert {Requirement(row.project).name for row in PAGE_ROWS.values()} <= RECIPES | {*WITHOUT_RECIPE, *FREE_THREADED}
    assert PAGE_ROWS.keys() <= set(list_keys())


def test_nothing_in_the_book_has_failed_or_grafts_what_nobody_knows() -> None:
    # Many projects refuse free-threaded Pythons, and the page says so.
    ordinary = [row for row in PAGE_ROWS.values() if not row.python.endswith("t")]
    kinds = {row.key: row.result.partition(":")[0] for row in ordinary}
    assert {key: kind for key, kind in kinds.items() if kind not in {BUILT, UNSUPPORTED}} == {}
    assert [row.key for row in PAGE_ROWS.values() if "(" in row.grafted] == []
    assert "; unattributed: 0." in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("suite", sorted(BOOK_SUITES))
def test_every_recipe_of_the_book_is_built_on_every_suite_or_refused_with_a_reason(suite: str) -> None:
    there = {Requirement(project).name for project, *builder in PAGE_ROWS if builder == [suite, PROVEN_PYTHON]}
    assert RECIPES | set(WITHOUT_RECIPE) == there
    assert {key for key in listed_as_missing() if key[1:] == (suite, PROVEN_PYTHON)} == set()


def test_book_has_every_project_that_the_service_was_first_measured_with() -> None:
    assert set(CORPUS.split()) <= RECIPES | set(WITHOUT_RECIPE)
    assert len(RECIPES - set(CORPUS.split())) >= 20


def test_page_is_what_the_benchmark_writes() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == write_page(PAGE_ROWS, missing=sorted(listed_as_missing()))


def test_page_has_the_verdict_of_real_projects_on_a_free_threaded_python() -> None:
    threaded = [row for row in PAGE_ROWS.values() if row.python == "3.13t"]
    assert len({row.project for row in threaded}) >= 15
    assert all(row.gil or row.result != BUILT or "none-any" in row.tag for row in threaded)
    assert {row.python for row in PAGE_ROWS.values()} == set(PYTHONS)


def test_verdict_says_how_many_modules_leave_the_gil_off() -> None:
    modules: list[dict[str, Any]] = [
        {"gil_off": True, "survives_threads": True},
        {"gil_off": False, "survives_threads": None},
    ]
    assert book._verdict(modules) == "1 of 2 off, 1 of 1 survived"
    assert book._verdict([]) == ""


def listed_as_missing() -> list[RowKey]:
    """Read what the page says that nobody has built here."""
    found = re.findall(r"^- (\w+), Python ([\d.]+t?): (.+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return [(requirement, suite, python) for suite, python, names in found for requirement in names.split(", ")]
