"""Geometry of bar charts; a template draws them as SVG and shows the same data as a table."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from wheelyard.domain.builds.statistics import DURATION_BOUNDS, DayBytes, DayCount
from wheelyard.web.words import size

WIDTH: Final = 720
HEIGHT: Final = 180
_GAP: Final = 0.22
"""Share of a column that stays empty."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """A part of a column, in SVG units."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    """Name of the colour: ``succeeded``, ``failed``, ``cancelled`` or ``count``."""
    label: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """The bars of a chart with the labels of its axes."""

    bars: tuple[Bar, ...]
    labels: tuple[tuple[float, str], ...]
    """Middle of each label on the horizontal axis, and its text."""
    top: str
    """Label of the full height."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Part:
    """The value of a bar, and the sum of those below it."""

    kind: str
    amount: int
    below: int = 0
    label: str


def days_chart(counts: Sequence[DayCount], *, today: date, days: int) -> Chart:
    """Return a chart of finished builds per day, by status."""
    by_day = {count.day: count for count in counts}
    shown = _days(today, days)
    columns = [by_day.get(day, DayCount(day=day)) for day in shown]
    top = max((one.succeeded + one.failed + one.cancelled for one in columns), default=0) or 1
    bars = [bar for place, one in enumerate(columns) for bar in _stack(place, one, len(columns), top)]
    return Chart(bars=tuple(bars), labels=tuple(_day_labels(shown)), top=str(top))


def rates_chart(counts: Sequence[DayCount], *, today: date, days: int) -> Chart:
    """Return a chart of the success rate per day; cancelled builds do not count."""
    by_day = {count.day: count for count in counts}
    shown = _days(today, days)
    bars = []
    for place, day in enumerate(shown):
        one = by_day.get(day)
        if one is None or one.success_rate is None:
            continue
        share = round(100 * one.success_rate)
        # A day with failures only gets a bar of 1 %, so that it differs from a day without builds.
        part = _Part(kind="succeeded" if share else "failed", amount=max(share, 1), label=f"{day:%Y-%m-%d}: {share} %")
        bars.append(_bar(part, place=place, columns=days, top=100))
    return Chart(bars=tuple(bars), labels=tuple(_day_labels(shown)), top="100 %")


def bytes_chart(counts: Sequence[DayBytes], *, today: date, days: int) -> Chart:
    """Return a chart of the size published per day."""
    by_day = {count.day: count.size_bytes for count in counts}
    shown = _days(today, days)
    top = max((by_day.get(day, 0) for day in shown), default=0) or 1
    parts = [
        _Part(kind="count", amount=by_day.get(day, 0), label=f"{day:%Y-%m-%d}: {size(by_day.get(day, 0))}")
        for day in shown
    ]
    bars = [_bar(part, place=place, columns=days, top=top) for place, part in enumerate(parts) if part.amount]
    return Chart(bars=tuple(bars), labels=tuple(_day_labels(shown)), top=size(top))


def shares(amounts: Sequence[float]) -> tuple[float, ...]:
    """Return each amount in percent of the largest."""
    top = max(amounts, default=0.0) or 1.0
    return tuple(round(100 * amount / top, 1) for amount in amounts)


def _days(today: date, days: int) -> list[date]:
    return [today - timedelta(days=back) for back in reversed(range(days))]


def _day_labels(shown: Sequence[date]) -> Iterator[tuple[float, str]]:
    step = max(len(shown) // 6, 1)
    for place, day in enumerate(shown):
        if place % step == 0:
            yield _middle(place, len(shown)), f"{day:%d %b}"


def _stack(place: int, count: DayCount, columns: int, top: int) -> list[Bar]:
    bars, below = [], 0
    for kind in ("succeeded", "failed", "cancelled"):
        amount: int = getattr(count, kind)
        if amount:
            part = _Part(kind=kind, amount=amount, below=below, label=f"{count.day:%Y-%m-%d}: {amount} {kind}")
            bars.append(_bar(part, place=place, columns=columns, top=top))
        below += amount
    return bars


def durations_chart(counts: Sequence[int]) -> Chart:
    """Return a histogram of durations."""
    top = max(counts, default=0) or 1
    names = duration_names()
    parts = [_Part(kind="count", amount=one, label=f"{name}: {one}") for name, one in zip(names, counts, strict=True)]
    bars = [_bar(part, place=place, columns=len(parts), top=top) for place, part in enumerate(parts) if part.amount]
    labels = [(_middle(place, len(counts)), name) for place, name in enumerate(names)]
    return Chart(bars=tuple(bars), labels=tuple(labels), top=str(top))


def duration_names() -> tuple[str, ...]:
    """Return the labels of the histogram's classes."""
    ends = [_short(bound) for bound in DURATION_BOUNDS]
    return (*(f"≤ {end}" for end in ends), f"> {ends[-1]}")


def _short(seconds: int) -> str:
    if seconds >= 3600:  # noqa: PLR2004  an hour
        return f"{seconds // 3600} h"
    return f"{seconds // 60} min" if seconds >= 60 else f"{seconds} s"  # noqa: PLR2004  a minute


def _bar(part: _Part, *, place: int, columns: int, top: int) -> Bar:
    column = WIDTH / columns
    height = HEIGHT * part.amount / top
    return Bar(
        x=round(column * (place + _GAP / 2), 1),
        y=round(HEIGHT - HEIGHT * part.below / top - height, 1),
        width=round(column * (1 - _GAP), 1),
        height=round(height, 1),
        kind=part.kind,
        label=part.label,
    )


def _middle(place: int, columns: int) -> float:
    return round(WIDTH / columns * (place + 0.5), 1)
