"""The table of built recipes: its rows, and how they are read from and written into `docs/book.md`."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from typing import Final

BUILT: Final = "built"
UNSUPPORTED: Final = "unsupported"

RowKey = tuple[str, str, str]
"""A requirement, and the suite and Python of the builder that it is built on."""

_KIB: Final = 1 << 10
_MIB: Final = 1 << 20
_RULE: Final = "---"
_NOT_RUN: Final = "not run"
_HEAD: Final = """# The book, built

<!-- Made by benchmarks/book.py, which builds every recipe of the book through a running service; do not edit. -->

Each row is one release on one builder: compiled, repaired, installed and imported in the bare runtime image, and
published. *seconds* are all stages but the making of images; *grafted* counts the libraries that were copied into the
wheel, and in brackets those whose system package is not known. A row that is not `{built}` says why. Where a suite's
libraries do not suffice the recipe says so, and the request is refused with that reason before a container starts.
*gil* is about free-threaded Pythons: how many of the extension modules leave the GIL off, and how many survived calls
from eight threads at once. Many projects do not build for them yet; their rows say what the project or its tools say.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One release on one builder, as the table shows it."""

    project: str
    version: str
    suite: str
    python: str
    result: str
    seconds: str
    tag: str
    grafted: str
    size: str
    gil: str = ""
    """On a free-threaded Python: how many extension modules leave the GIL off, and survived eight threads."""

    @property
    def key(self) -> RowKey:
        """The key that a later run replaces: the newest release on this builder."""
        return self.project, self.suite, self.python


def read_rows(text: str) -> dict[RowKey, Row]:
    """Return a table's rows; ignore other lines."""
    names = [field.name for field in fields(Row)]
    cells = ([cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line[:2] == "| ")
    rows = [Row(**dict(zip(names, row, strict=True))) for row in cells if _is_row(row, names)]
    return {row.key: row for row in rows}


def write_page(rows: Mapping[RowKey, Row], *, missing: Sequence[RowKey]) -> str:
    """Write the whole page: counts of each result, grafts, what was not run, then every row, by project."""
    ordered = [rows[key] for key in sorted(rows)]
    summary = _table(
        ("suite", "Python", "projects", "built", "unsupported", "failed", "not run"), _count(ordered, missing)
    )
    table = write_table(ordered)
    verdict = _count_threaded(ordered)
    parts = [
        _HEAD.format(built=BUILT),
        summary,
        "",
        _count_grafts(ordered),
        *verdict,
        "",
        *_list_missing(missing),
        table,
        "",
    ]
    return "\n".join(parts)


def write_table(rows: Iterable[Row]) -> str:
    """Write rows as a table."""
    return _table([field.name for field in fields(Row)], map(astuple, rows))


def _list_missing(missing: Sequence[RowKey]) -> list[str]:
    """List what was not built here."""
    if not missing:
        return []
    names: dict[tuple[str, str], list[str]] = {}
    for requirement, suite, python in missing:
        names.setdefault((suite, python), []).append(requirement)
    lines = [f"- {suite}, Python {python}: {', '.join(names[suite, python])}" for suite, python in sorted(names)]
    return ["Not run yet, so nothing is known of it:", "", *lines, ""]


def cell(text: str, *, limit: int = 240) -> str:
    """Make a text fit into one cell of a table."""
    plain = re.sub(r"\s+", " ", text).replace("|", "/").strip()
    return plain if len(plain) <= limit else f"{plain[: limit - 1].rstrip()}…"


def size(size_bytes: int) -> str:
    """Return a size for people."""
    if size_bytes < _MIB:
        return f"{size_bytes / _KIB:.0f} KiB"
    return f"{size_bytes / _MIB:.1f} MiB"


def _is_row(cells: list[str], names: list[str]) -> bool:
    return len(cells) == len(names) and cells != names and cells[0] != _RULE


def _count(rows: Iterable[Row], missing: Iterable[RowKey]) -> list[tuple[str, ...]]:
    counts: dict[tuple[str, str], Counter[str]] = {}
    for row in rows:
        counts.setdefault((row.suite, row.python), Counter())[row.result.partition(":")[0]] += 1
    for _, suite, python in missing:
        counts.setdefault((suite, python), Counter())[_NOT_RUN] += 1
    return [(*builder, *map(str, _figures(results))) for builder, results in sorted(counts.items())]


def _figures(results: Counter[str]) -> tuple[int, ...]:
    total, built, unsupported, missing = results.total(), results[BUILT], results[UNSUPPORTED], results[_NOT_RUN]
    return total, built, unsupported, total - built - unsupported - missing, missing


def _count_grafts(rows: Iterable[Row]) -> str:
    """Count the grafted libraries, and those without a known package."""
    figures = [[int(figure) for figure in re.findall(r"\d+", row.grafted)] for row in rows]
    grafted, unknown = (sum(sum(row[place : place + 1]) for row in figures) for place in (0, 1))
    return f"Libraries that were grafted, in all wheels: {grafted}; unattributed: {unknown}."


def _count_threaded(rows: Iterable[Row]) -> list[str]:
    """Count the projects on free-threaded Pythons by their verdict."""
    threaded = [row for row in rows if row.python.endswith("t")]
    if not threaded:
        return []
    built = {row.project: row for row in threaded if row.result == BUILT}
    off = [name for name, row in built.items() if row.gil and (parts := re.findall(r"\d+", row.gil))[0] == parts[1]]
    pure = [name for name, row in built.items() if not row.gil]
    refused = {row.project for row in threaded} - built.keys()
    figures = {
        "all modules leave the GIL off": len(off),
        "a module switches it on": len(built) - len(off) - len(pure),
        "pure": len(pure),
        "not built": len(refused),
    }
    counts = "; ".join(f"{name}: {figure}" for name, figure in figures.items())
    return ["", f"Projects on free-threaded Pythons: {len(built) + len(refused)}; {counts}."]


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    names = list(head)
    lines = [names, [_RULE] * len(names), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
