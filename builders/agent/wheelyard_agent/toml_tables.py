"""Read TOML files of an sdist, which may hold anything."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any


def table(value: object, *names: str) -> dict[str, Any]:
    """Descend into tables; an empty one stands for what is not there, or is no table."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def read_toml(file: Path) -> dict[str, Any]:
    """Read a file of the sdist's; what cannot be read has nothing to say, and the backend will say why."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
