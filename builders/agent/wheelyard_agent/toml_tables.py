"""Read TOML files of an sdist, which are untrusted."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any


def table(value: object, *names: str) -> dict[str, Any]:
    """Return a nested table; empty if it is missing or not a table."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def read_toml(file: Path) -> dict[str, Any]:
    """Return the tables of a file; empty if it cannot be parsed, which the backend will report."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
