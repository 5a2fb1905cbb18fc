"""An image as the engine keeps it: its layers, and the files that they come to. Needs no container.

A container's file system would not do: the engine lays files of its own into it.
"""

import hashlib
import json
import tarfile
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wheelyard.adapters.engine.command import EngineCommand

REMOVED = ".wh."
"""Begins the name of a file that says that one of a layer below is gone: OCI image layer specification."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SavedFile:
    """One file of an image, and all that tells it from another."""

    kind: bytes
    mode: int
    owner: tuple[int, int]
    size: int
    changed: float
    target: str
    """What a link leads to."""
    sha256: str


Layer = Mapping[str, SavedFile]
"""Files by their path, without a slash before it."""


async def save_layers(engine: EngineCommand, image: str, folder: Path) -> tuple[Layer, ...]:
    """Read the layers of an image, lowest first."""
    archive = folder / f"{uuid.uuid4().hex}.tar"
    try:
        await engine.run(["save", "--output", str(archive), image])
        return tuple(_read_layers(archive))
    finally:
        archive.unlink(missing_ok=True)


def merge_layers(layers: tuple[Layer, ...]) -> dict[str, SavedFile]:
    """Give the files that are there when all layers lie on each other."""
    files: dict[str, SavedFile] = {}
    for layer in layers:
        for path in filter(_is_removal, layer):
            gone = path.replace(REMOVED, "")
            files = {name: file for name, file in files.items() if name != gone and not name.startswith(f"{gone}/")}
        files |= {path: file for path, file in layer.items() if not _is_removal(path)}
    return files


def _is_removal(path: str) -> bool:
    return path.rpartition("/")[2].startswith(REMOVED)


def _read_layers(archive: Path) -> Iterator[Layer]:
    with tarfile.open(archive) as saved:
        for name in _read_json(saved, "manifest.json")[0]["Layers"]:
            with tarfile.open(fileobj=saved.extractfile(name)) as layer:
                yield {member.name: _read_file(layer, member) for member in layer}


def _read_json(saved: tarfile.TarFile, name: str) -> Any:  # noqa: ANN401  it is whatever JSON says
    stream = saved.extractfile(name)
    assert stream is not None
    return json.load(stream)


def _read_file(layer: tarfile.TarFile, member: tarfile.TarInfo) -> SavedFile:
    stream = layer.extractfile(member) if member.isreg() else None
    return SavedFile(
        kind=member.type,
        mode=member.mode,
        owner=(member.uid, member.gid),
        size=member.size,
        changed=member.mtime,
        target=member.linkname,
        sha256=hashlib.file_digest(stream, "sha256").hexdigest() if stream else "",  # type: ignore[arg-type]
    )
