"""Images of ours: their names, and what an engine records of them."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from wheelyard.domain.catalogue.package_managers import APT, PackageManager, find_manager

HELD: Final = "-from"
"""Ends the name that an image has while another one is made from it: BuildKit takes no ids, and its own name may be
given to another image meanwhile."""
_TAG_DIGITS: Final = 12
_FAMILY: Final = "wheelyard/"
_LOCAL: Final = "localhost/"
"""Podman puts it before the names of images that come from no registry."""
_EXTENSIONS: Final = frozenset({"environment", "toolchain"})
_NANOSECONDS: Final = re.compile(r"(\.[0-9]{6})[0-9]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageName:
    """A name that an equal definition gives again."""

    name: str
    definition: str
    revision: str = ""
    """Tells an image that is made to replace another one of the same definition, until it does."""

    @property
    def family(self) -> str:
        """The name without the definition, such as ``wheelyard/builder-bookworm-3.13``."""
        return f"{_FAMILY}{self.name}"

    @property
    def tag(self) -> str:
        """The image's name for the engine."""
        return f"{self.current_tag}{f'-{self.revision}' if self.revision else ''}"

    @property
    def current_tag(self) -> str:
        """The name of the image that is in use."""
        return f"{self.family}:{self.definition[:_TAG_DIGITS]}"


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
    def built_on(self) -> str:
        """Id of the image that a toolchain or an environment is made from."""
        return self.labels.get("builder", "")

    @property
    def is_extension(self) -> bool:
        """Whether it is a toolchain or an environment in use, which adds packages to another image."""
        return self.role in _EXTENSIONS and bool(self.family)

    @property
    def has_lost_its_name(self) -> bool:
        """Whether another image has its name now.

        A name that it had while another image was made from it does not count: the process that made it was killed.
        """
        return all(tag.endswith(HELD) for tag in self.tags)

    @property
    def manager(self) -> PackageManager:
        """What installs packages in it: apt, unless its builder is an external one."""
        return find_manager(self.labels.get("package-manager", APT.name))

    @property
    def created_at(self) -> datetime:
        """When the engine made it; its nanoseconds are cut."""
        return datetime.fromisoformat(_NANOSECONDS.sub(r"\1", self.created))


def _is_named_by(tag: str, definition: str) -> bool:
    """Tell whether a tag is that of a definition, with or without a revision."""
    name, _, key = tag.removeprefix(_LOCAL).rpartition(":")
    return bool(definition) and name.startswith(_FAMILY) and key.partition("-")[0] == definition[:_TAG_DIGITS]
