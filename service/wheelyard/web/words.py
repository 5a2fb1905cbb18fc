"""Numbers, times and sizes as text: the filters of the templates."""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from wheelyard.domain.builds.log_text import plain_text

_UNITS: Final = ((86_400, "day"), (3600, "hour"), (60, "minute"))
_KIB: Final = 1024
_SHORT_SECONDS: Final = 10
_MINUTE: Final = 60
_HIDDEN: Final = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)


def ago(moment: datetime, now: datetime) -> str:
    """Return how long ago a moment was, in whole minutes, so that a page's ETag does not change each second."""
    seconds = int((now - moment).total_seconds())
    for size, name in _UNITS:
        if seconds >= size:
            count = seconds // size
            return f"{count} {name}{'' if count == 1 else 's'} ago"
    return "just now"


def duration(seconds: float | timedelta | None) -> str:
    """Return a duration, such as ``1 min 20 s``."""
    if seconds is None:
        return "–"  # noqa: RUF001  a dash, as in a table's empty cell
    whole = seconds.total_seconds() if isinstance(seconds, timedelta) else seconds
    if whole < _SHORT_SECONDS:
        return f"{whole:.1f} s"
    minutes, rest = divmod(round(whole), _MINUTE)
    hours, minutes = divmod(minutes, _MINUTE)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def about(seconds: float) -> str:
    """Return an estimated duration, rounded so that it does not look exact."""
    if seconds < _MINUTE / 2:
        return "less than a minute"
    minutes = max(round(seconds / _MINUTE), 1)
    if minutes < _MINUTE:
        return plural(minutes, "minute")
    return f"{minutes // _MINUTE} h {minutes % _MINUTE // 10 * 10} min"


def size(size_bytes: float | None) -> str:
    """Return a size, such as ``1.4 MiB``."""
    if size_bytes is None:
        return "unknown"
    amount, unit = float(size_bytes), "bytes"
    for larger in ("KiB", "MiB", "GiB"):
        if amount < _KIB:
            break
        amount, unit = amount / _KIB, larger
    return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"


def stamp(moment: datetime) -> str:
    """Return a time with its date, to the second, in UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def clock(moment: datetime) -> str:
    """Return a time of day in UTC."""
    return moment.astimezone(UTC).strftime("%H:%M:%S")


def machine_time(moment: datetime) -> str:
    """Return a time for the attribute of a ``time`` element (WHATWG HTML, section 4.5.14)."""
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def plural(count: int, word: str) -> str:
    """Return a count with its noun, in the plural if needed."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def show_hidden(value: object) -> object:
    """Replace control characters and direction marks by their code points (Unicode TR 36, section 3.4).

    Markup is unchanged: its parts have already been processed.
    """
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    return _HIDDEN.sub(lambda match: f"[U+{ord(match[0]):04X}]", value)


def short(text: str, characters: int = 300) -> str:
    """Shorten a text to a number of characters."""
    return text if len(text) <= characters else f"{text[:characters]} …"


def some(items: Iterable[object], count: int = 40) -> str:
    """Return the first items as a list in words, and the number of the others."""
    names = [short(str(item), 200) for item in items]
    more = f" and {len(names) - count:,} more" if len(names) > count else ""
    return ", ".join(names[:count]) + more


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "about": about,
    "ago": ago,
    "clock": clock,
    "duration": duration,
    "size": size,
    "stamp": stamp,
    "machine_time": machine_time,
    "plural": plural,
    "plain": plain_text,
    "short": short,
    "some": some,
}
