"""Our own index: its URLs, its users and its published files."""

from dataclasses import dataclass, field
from enum import StrEnum

from wheelyard.domain.packaging.wheel_contents import WheelContents


class Level(StrEnum):
    """The level of a wheel on our index; wheels on both levels are verified."""

    STAGING = "staging"
    """Published by the publisher, for early tests."""
    PROD = "prod"
    """Published by the promoter: what users install."""


class FileSender(StrEnum):
    """What sends the bytes of the index's files to installers."""

    API = "api"
    NGINX = "nginx"
    CADDY = "caddy"


@dataclass(frozen=True, kw_only=True, slots=True)
class Credentials:
    """A user of the index."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexEndpoint:
    """A running index server with its two indexes."""

    url: str
    """URL of the server, without a slash at the end."""
    staging_url: str
    """URL of the index that gets wheels first; its pages are below ``+simple/``."""
    prod_url: str
    """URL of the index that users install from."""
    publisher: Credentials
    """The user that may upload to staging."""
    promoter: Credentials
    """The user that may upload to prod."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedFile:
    """A published wheel that was read back byte by byte."""

    filename: str
    url: str
    """Absolute URL of the bytes."""
    index_url: str
    """URL of the Simple API that lists it, for ``pip install --index-url``."""
    sha256: str
    size_bytes: int
    uploaded: bool
    """False if the index already had these bytes."""
    level: Level = Level.PROD
    metadata: bytes = field(default=b"", repr=False)
    """Its METADATA file, byte by byte."""
    contents: WheelContents | None = field(default=None, repr=False)
    """Its contents."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldFile:
    """A file in devpi's own list."""

    level: Level
    project: str
    filename: str
    sha256: str
    url: str
    """The URL of its bytes."""
