"""What pages are made of: words, charts, what is remembered, the matrix of a release."""

from datetime import UTC, date, datetime, timedelta

import pytest

from wheelyard.domain.builds.statistics import DayBytes, DayCount, Statistics
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.recipes.effective import EffectiveRecipe, RecipeFile
from wheelyard.web.charts import (
    HEIGHT,
    bytes_chart,
    days_chart,
    duration_names,
    durations_chart,
    rates_chart,
    shares,
)
from wheelyard.web.matrix import pythons_of, release_rows, versions_of
from wheelyard.web.recipes import used_keys
from wheelyard.web.words import about, ago, duration, plural, short, show_hidden, size, some

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-5, "just now"), (59, "just now"), (60, "1 minute ago"), (7200, "2 hours ago"), (86_400, "1 day ago")],
)
def test_moments_in_words(seconds: int, words: str) -> None:
    assert ago(NOW - timedelta(seconds=seconds), NOW) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.25, "0.2 s"), (59.6, "1 min 0 s"), (80, "1 min 20 s"), (3700, "1 h 1 min"), (None, "–")],  # noqa: RUF001
)
def test_durations_in_words(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words


def test_sizes_and_counts_in_words() -> None:
    assert [size(one) for one in (None, 5, 1536, 3 << 30)] == ["unknown", "5 bytes", "1.5 KiB", "3.0 GiB"]
    assert [plural(one, "wheel") for one in (1, 2000)] == ["1 wheel", "2,000 wheels"]


def test_each_class_of_durations_has_a_name() -> None:
    assert len(duration_names()) == 10


def test_days_without_builds_are_drawn_too_and_parts_are_stacked() -> None:
    today = date(2026, 11, 23)
    chart = days_chart([DayCount(day=today, succeeded=3, failed=1)], today=today, days=7)
    good, bad = chart.bars
    assert (good.height + bad.height, chart.top) == (HEIGHT, "4")
    assert bad.y + bad.height == good.y
    assert bad.label == "2026-11-23: 1 failed"
    assert len(chart.labels) == 7


def test_chart_of_nothing_has_no_bars() -> None:
    assert durations_chart((0,) * 10).bars == ()
    assert Statistics(days=(), waits=(), durations=(), slowest=(), requested=()).success_rate is None


def test_what_cannot_be_seen_is_shown_by_its_code_point() -> None:
    assert show_hidden("a\u202eb\x1b[2J\x00\u200b\ud800\tc\n") == "a[U+202E]b[U+001B][2J[U+0000][U+200B][U+D800]\tc\n"
    assert show_hidden(7) == 7


def test_long_texts_and_lists_are_cut() -> None:
    assert short("x" * 400, 5) == "xxxxx …"
    assert some(["a", "b", "c"], 2) == "a, b and 1 more"
    assert some([]) == ""


def test_columns_are_the_same_for_suites_with_different_pythons() -> None:
    targets = [
        Target.parse(python="3.13", platform="manylinux_2_36_x86_64"),
        Target.parse(python="3.9", platform="manylinux_2_31_x86_64"),
        Target.parse(python="3.11", platform="manylinux_2_36_x86_64"),
    ]
    assert pythons_of(targets) == ("3.9", "3.11", "3.13")
    (row,) = release_rows(["1.0"], (), (), targets)
    columns = {platform: [cell and cell.target.python for cell in cells] for platform, cells in row.rows}
    assert columns == {
        "manylinux_2_36_x86_64": [None, "3.11", "3.13"],
        "manylinux_2_31_x86_64": ["3.9", None, None],
    }


def test_versions_are_sorted_and_what_is_none_comes_last() -> None:
    assert versions_of(["1.2", "1.10"], ["1.2", "no version"]) == ["1.10", "1.2", "no version"]


def test_recipe_is_told_as_it_was_used() -> None:
    recipe = EffectiveRecipe(
        apt=("libyaml-dev",), env=(("CFLAGS", "-O2"),), patches=(RecipeFile.of("a.patch", b"x"),), network=True
    )
    assert used_keys(recipe) == (
        ("Apt", "libyaml-dev"),
        ("Env", "CFLAGS = -O2"),
        ("Patches", "a.patch"),
        ("Network", "True"),
    )
    assert used_keys(EffectiveRecipe()) == ()


def test_day_on_which_all_failed_is_drawn_and_one_without_builds_is_not() -> None:
    today = date(2026, 11, 23)
    counts = [DayCount(day=today, failed=2), DayCount(day=today - timedelta(days=1), succeeded=3, failed=1)]
    chart = rates_chart([*counts, DayCount(day=today - timedelta(days=2), cancelled=1)], today=today, days=7)
    assert [(bar.label, bar.kind) for bar in chart.bars] == [
        ("2026-11-22: 75 %", "succeeded"),
        ("2026-11-23: 0 %", "failed"),
    ]
    assert chart.bars[0].height == HEIGHT * 0.75


def test_sizes_are_drawn_in_the_units_of_people() -> None:
    today = date(2026, 11, 23)
    chart = bytes_chart([DayBytes(day=today, wheels=2, size_bytes=3 << 20)], today=today, days=7)
    assert (chart.top, [bar.label for bar in chart.bars]) == ("3.0 MiB", ["2026-11-23: 3.0 MiB"])
    assert shares([5, 10, 0]) == (50.0, 100.0, 0.0)
    assert shares([]) == ()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "less than a minute"),
        (20, "less than a minute"),
        (40, "1 minute"),
        (600, "10 minutes"),
        (5000, "1 h 20 min"),
    ],
)
def test_estimates_do_not_look_exact(seconds: float, words: str) -> None:
    assert about(seconds) == words
