"""The table of docs/top.md: names are read from a list, rows are read again, and a build that is over becomes a row."""

from typing import Any

from benchmarks.top import NATIVE, PURE, TopRow, describe, read_names, read_rows, write_page

TARGET = {"suite": "bookworm", "python": "3.13", "platform": "manylinux_2_36_x86_64"}
ROWS = {
    "demo": TopRow(project="demo", version="1.0", result=PURE, seconds="3", warnings=""),
    "lost": TopRow(
        project="lost", version="2", result="extension-missing: no", seconds="9", warnings="", judgement="Right: x."
    ),
    "bad": TopRow(project="bad", version="", result="no-sdist: no", seconds="", warnings=""),
}


def test_names_are_read_without_comments_and_each_once() -> None:
    assert read_names("demo lost # more\n\nlost\nbad") == ["demo", "lost", "bad"]


def test_written_rows_are_read_again() -> None:
    page = write_page(["demo", "lost", "bad", "rest"], ROWS, TARGET)
    assert read_rows(page) == ROWS
    assert "3 of 4 projects were requested: 1 built pure, 0 built native, 1 refused, 1 failed." in page
    assert "Not requested: rest." in page


def build(**more: Any) -> dict[str, Any]:  # noqa: ANN401
    timings = [{"stage": "prepare", "seconds": 90.0}, {"stage": "build", "seconds": 2.6}]
    return {"version": "1.0", "wheel": None, "failure": None, "attempts": [{"timings": timings}], **more}


def test_wheel_becomes_a_row_without_the_time_of_images() -> None:
    wheel = {"is_pure": False, "warnings": ["It has no a|b.", "More."]}
    row = describe("demo", build(wheel=wheel))
    assert (row.result, row.seconds, row.warnings) == (NATIVE, "3", "It has no a/b. More.")


def test_failure_becomes_a_row_with_its_code() -> None:
    row = describe("demo", build(failure={"code": "verify-failed", "summary": "no"}))
    assert row.result == "verify-failed: no"
    assert describe("demo", build(status="cancelled", attempts=[])).result == "cancelled:"
