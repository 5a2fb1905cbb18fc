"""Write the files of a recipe, which a job has as ``name`` and ``base64``."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path


def write_files(files: Sequence[Mapping[str, str]], folder: Path) -> list[Path]:
    """Write a recipe's files into a folder, and return their paths in the same order."""
    return [_write(file, folder) for file in files]


def _write(file: Mapping[str, str], folder: Path) -> Path:
    path = folder / file["name"]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(base64.b64decode(file["base64"]))
    return path
