"""Our own index: where it is, who may publish on it, and what is published. Must not talk to it."""

from dataclasses import dataclass, field
from enum import StrEnum

from wheelyard.domain.packaging.wheel_contents import WheelContents


class Level(StrEnum):
    """How far a wheel has come on our index; all of them are proven."""

    STAGING = "staging"
    """Published by the publisher, for those who try it before everybody gets it."""
    PROD = "prod"
    """Published by the promoter: what users install."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Credentials:
    """A user of the index."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexEndpoint:
    """A running index server with its two indexes."""

    url: str
    """Address of the server, without a slash at the end."""
    staging_url: str
    """Address of the index that takes wheels before they are proven; its pages are below ``+simple/``."""
    prod_url: str
    """Address of the index that users install from."""
    publisher: Credentials
    """May upload to staging."""
    promoter: Credentials
    """May upload to prod."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedFile:
    """A wheel that the index has been seen to give back byte by byte."""

    filename: str
    url: str
    """Absolute address of the bytes."""
    index_url: str
    """Address of the Simple API that lists it, for ``pip install --index-url``."""
    sha256: str
    size_bytes: int
    uploaded: bool
    """False if the index held these bytes already."""
    level: Level = Level.PROD
    metadata: bytes = field(default=b"", repr=False)
    """Its METADATA file, byte by byte."""
    contents: WheelContents | None = field(default=None, repr=False)
    """What it contains."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldFile:
    """A file as devpi itself lists it."""

    level: Level
    project: str
    filename: str
    sha256: str
    url: str
    """Where its bytes are."""
