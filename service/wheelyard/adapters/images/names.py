"""Our images as the engine knows them: written as labels, and found again."""

import json
from typing import Any, Final

from wheelyard.adapters.engine.command import LABEL, PROJECT_LABEL, PROJECT_NAME, EngineCommand
from wheelyard.domain.catalogue.images import ImageRecord

_ON_THE_WAY: Final = frozenset({"draft", "python", "pythons"})
"""Roles that stages inherit from what they start from. Other people's images may have inherited the other roles."""


def label_instruction(labels: dict[str, str]) -> str:
    """Return the Dockerfile's instruction for our labels, the project's always included."""
    return f"LABEL {' '.join(_label_pairs(labels))}"


def label_changes(labels: dict[str, str]) -> list[str]:
    """Return the labels as the changes of an import, one each: Podman reads several as one label.

    Its parser splits changes wrongly at spaces: https://github.com/podman-container-tools/container-libs/issues/83
    """
    return [part for pair in _label_pairs(labels) for part in ("--change", f"LABEL {pair}")]


def _label_pairs(labels: dict[str, str]) -> list[str]:
    return [f"{LABEL}{name}={json.dumps(value)}" for name, value in {"project": PROJECT_NAME, **labels}.items()]


async def find_image(engine: EngineCommand, image: str, definition: str | None = None) -> ImageRecord | None:
    """Return an image by tag or id; None if it is missing or has another definition than a given one."""
    completed = await engine.run(["image", "inspect", image], check=False)
    records = _read_records(completed.stdout) if completed.returncode == 0 else ()
    return next((record for record in records if definition in {None, record.definition}), None)


async def list_images(engine: EngineCommand) -> tuple[ImageRecord, ...]:
    """Return our images that have their own name, and none that only inherited our labels."""
    return tuple(record for record in await _list(engine, is_dangling=False) if record.name)


async def list_stages(engine: EngineCommand) -> tuple[ImageRecord, ...]:
    """Return the unnamed intermediate stages of our images that no other image builds on.

    The classic builder and Podman keep the last image of every stage, to find it again.
    """
    return tuple(record for record in await _list(engine, is_dangling=True) if record.role in _ON_THE_WAY)


async def _list(engine: EngineCommand, *, is_dangling: bool) -> tuple[ImageRecord, ...]:
    filters = ["--filter", f"label={PROJECT_LABEL}", "--filter", f"dangling={str(is_dangling).lower()}"]
    ids = (await engine.run(["images", "--quiet", "--no-trunc", *filters])).text.split()
    if not ids:
        return ()
    inspected = await engine.run(["image", "inspect", *dict.fromkeys(ids)], check=False)
    return _read_records(inspected.stdout)


def _read_records(inspected: bytes) -> tuple[ImageRecord, ...]:
    return tuple(_read_record(image) for image in json.loads(inspected))


def _read_record(image: dict[str, Any]) -> ImageRecord:
    config = image.get("Config") or {}
    labels = config.get("Labels") or {}
    ours = {name.removeprefix(LABEL): value for name, value in labels.items() if name.startswith(LABEL)}
    return ImageRecord(
        id=image["Id"],
        tags=tuple(image.get("RepoTags") or ()),
        role=ours.get("role", ""),
        definition=ours.get("definition", ""),
        labels=ours,
        size_bytes=image["Size"],
        created=image["Created"],
        user=config.get("User") or "",
    )
