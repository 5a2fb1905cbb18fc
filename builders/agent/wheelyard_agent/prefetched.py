"""Place a recipe's fetched sources in the unpacked sdist: as files, or unpacked."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wheelyard_agent.job import JobError, say
from wheelyard_agent.sdist import UNREADABLE, unpack_archive


def place_sources(sources: Sequence[Mapping[str, Any]], *, inbox: Path, source: Path) -> None:
    """Place each source's ``file`` at its ``to``; a ``to`` that ends with ``/`` is a folder to unpack into."""
    for one in sources:
        target = _find_place(source, one["to"])
        try:
            _place(inbox / one["file"], target, unpacks=one["to"].endswith("/"))
        except UNREADABLE as error:
            raise JobError("source-unusable", to=one["to"], reason=str(error) or type(error).__name__) from error
        say(f"placed {one['url']} at {one['to']}")


def _find_place(source: Path, to: str) -> Path:
    """Return the path of a source, which is inside of the sdist even if the sdist has links."""
    target = source / to
    if not target.resolve().is_relative_to(source.resolve()):
        raise JobError("source-unusable", to=to, reason="a link of the sdist leads out of it there")
    return target


def _place(file: Path, target: Path, *, unpacks: bool) -> None:
    if unpacks:
        target.mkdir(parents=True, exist_ok=True)
        unpack_archive(file, target)
        file.unlink()  # it is in memory
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_dir():
        raise IsADirectoryError(f"{target.name} is a folder of the sdist")
    target.unlink(missing_ok=True)
    shutil.move(str(file), str(target))
