"""Our images as the engine knows them: labels, tags, look-ups. Must not make any."""

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from wheelyard.adapters.engine.command import LABEL, PROJECT_LABEL, PROJECT_NAME, EngineCommand

_TAG_DIGITS: Final = 12
_FAMILY: Final = "wheelyard/"
_LOCAL: Final = "localhost/"
"""Podman puts it before the names of images that come from no registry."""
_ON_THE_WAY: Final = frozenset({"draft", "python", "pythons"})
"""Roles that stages have from what they start from; of the others, images of others may have inherited theirs."""
_NANOSECONDS: Final = re.compile(r"(\.[0-9]{6})[0-9]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageName:
    """A name that an equal definition gives again."""

    name: str
    definition: str
    revision: str = ""
    """Tells an image that is made to replace another one of the same definition, until it does."""

    @property
    def tag(self) -> str:
        """The image's name for the engine."""
        return f"{self.current_tag}{f'-{self.revision}' if self.revision else ''}"

    @property
    def current_tag(self) -> str:
        """The name of the image that is in use."""
        return f"{_FAMILY}{self.name}:{self.definition[:_TAG_DIGITS]}"


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageRecord:
    """An image of ours."""

    id: str
    tags: tuple[str, ...]
    role: str
    """``builder``, ``runtime``, ``toolchain``, ``environment``, ``base``, ``python`` or ``pythons``."""
    definition: str
    """Digest of what determines the image."""
    labels: dict[str, str]
    """Every label of ours, without ``org.wheelyard.``."""
    size_bytes: int
    created: str
    """When the engine made it, as RFC 3339 has it."""
    user: str = ""
    """Who a container of it runs as, as the image has it."""

    @property
    def name(self) -> str:
        """Its name, if that is the one which its own content gives it; else nothing.

        What others build on our images inherits our labels. It has other names, or none.
        """
        return next((tag for tag in self.tags if _is_named_by(tag, self.definition)), "")

    @property
    def family(self) -> str:
        """Its name without the definition, while it is in use under that: ``wheelyard/builder-bookworm-3.13``."""
        key = f":{self.definition[:_TAG_DIGITS]}"
        own = (tag.removeprefix(_LOCAL) for tag in self.tags if _is_named_by(tag, self.definition))
        return next((tag.removesuffix(key) for tag in own if tag.endswith(key)), "")

    @property
    def created_at(self) -> datetime:
        """When the engine made it; its nanoseconds are cut."""
        return datetime.fromisoformat(_NANOSECONDS.sub(r"\1", self.created))


def label_instruction(labels: dict[str, str]) -> str:
    """Give the Dockerfile's instruction for labels of ours, the project's always among them."""
    return f"LABEL {' '.join(_label_pairs(labels))}"


def label_changes(labels: dict[str, str]) -> list[str]:
    """Give the same as the changes that an import takes: one each, because Podman reads several as one label."""
    return [part for pair in _label_pairs(labels) for part in ("--change", f"LABEL {pair}")]


def _label_pairs(labels: dict[str, str]) -> list[str]:
    return [f"{LABEL}{name}={json.dumps(value)}" for name, value in {"project": PROJECT_NAME, **labels}.items()]


async def find_image(engine: EngineCommand, image: str, definition: str | None = None) -> ImageRecord | None:
    """Look an image up by tag or id; with a definition, one whose label has another does not count."""
    completed = await engine.run(["image", "inspect", image], check=False)
    records = _read_records(completed.stdout) if completed.returncode == 0 else ()
    return next((record for record in records if definition in {None, record.definition}), None)


async def list_images(engine: EngineCommand) -> tuple[ImageRecord, ...]:
    """List the images of ours that have their name, and none that merely inherited our labels."""
    return tuple(record for record in await _list(engine, is_dangling=False) if record.name)


async def list_stages(engine: EngineCommand) -> tuple[ImageRecord, ...]:
    """List the stages without a name that were made on the way to images of ours, and that nobody else builds on.

    The classic builder and Podman leave the last image of every stage, to find it again.
    """
    return tuple(record for record in await _list(engine, is_dangling=True) if record.role in _ON_THE_WAY)


async def _list(engine: EngineCommand, *, is_dangling: bool) -> tuple[ImageRecord, ...]:
    filters = ["--filter", f"label={PROJECT_LABEL}", "--filter", f"dangling={str(is_dangling).lower()}"]
    ids = (await engine.run(["images", "--quiet", "--no-trunc", *filters])).text.split()
    if not ids:
        return ()
    inspected = await engine.run(["image", "inspect", *dict.fromkeys(ids)], check=False)
    return _read_records(inspected.stdout)


def _is_named_by(tag: str, definition: str) -> bool:
    """Tell whether a tag is that of a definition, with or without a revision."""
    name, _, key = tag.removeprefix(_LOCAL).rpartition(":")
    return bool(definition) and name.startswith(_FAMILY) and key.partition("-")[0] == definition[:_TAG_DIGITS]


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
