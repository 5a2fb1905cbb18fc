"""Our images as the engine knows them: labels, tags, look-ups. Must not make any."""

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from wheelyard.adapters.engine_command import EngineCommand

LABEL: Final = "org.wheelyard."
_PROJECT: Final = "project"
_PROJECT_NAME: Final = "wheelyard"
PROJECT_LABEL: Final = f"{LABEL}{_PROJECT}={_PROJECT_NAME}"
_TAG_DIGITS: Final = 12
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
        return f"wheelyard/{self.name}:{self.definition[:_TAG_DIGITS]}"


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageRecord:
    """An image of ours."""

    id: str
    tags: tuple[str, ...]
    role: str
    """``builder``, ``runtime``, ``environment``, ``base``, ``python`` or ``pythons``."""
    definition: str
    """Digest of what determines the image."""
    labels: dict[str, str]
    """Every label of ours, without ``org.wheelyard.``."""
    size_bytes: int
    created: str
    """When the engine made it, as RFC 3339 has it."""

    @property
    def created_at(self) -> datetime:
        """When the engine made it; its nanoseconds are cut."""
        return datetime.fromisoformat(_NANOSECONDS.sub(r"\1", self.created))


def label_instruction(labels: dict[str, str]) -> str:
    """Give the Dockerfile's instruction for labels of ours, the project's always among them."""
    pairs = (f"{LABEL}{name}={json.dumps(value)}" for name, value in {_PROJECT: _PROJECT_NAME, **labels}.items())
    return f"LABEL {' '.join(pairs)}"


async def find_image(engine: EngineCommand, image: str, definition: str | None = None) -> ImageRecord | None:
    """Look an image up by tag or id; with a definition, one whose label has another does not count."""
    completed = await engine.run(["image", "inspect", image], check=False)
    records = _read_records(completed.stdout) if completed.returncode == 0 else ()
    return next((record for record in records if definition in {None, record.definition}), None)


async def list_images(engine: EngineCommand) -> tuple[ImageRecord, ...]:
    """List the images of ours that have a name."""
    filters = ["--filter", f"label={PROJECT_LABEL}", "--filter", "dangling=false"]
    ids = (await engine.run(["images", "--quiet", "--no-trunc", *filters])).text.split()
    if not ids:
        return ()
    return _read_records((await engine.run(["image", "inspect", *dict.fromkeys(ids)])).stdout)


def _read_records(inspected: bytes) -> tuple[ImageRecord, ...]:
    return tuple(_read_record(image) for image in json.loads(inspected))


def _read_record(image: dict[str, Any]) -> ImageRecord:
    labels = (image.get("Config") or {}).get("Labels") or {}
    ours = {name.removeprefix(LABEL): value for name, value in labels.items() if name.startswith(LABEL)}
    return ImageRecord(
        id=image["Id"],
        tags=tuple(image.get("RepoTags") or ()),
        role=ours.get("role", ""),
        definition=ours.get("definition", ""),
        labels=ours,
        size_bytes=image["Size"],
        created=image["Created"],
    )
