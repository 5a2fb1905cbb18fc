"""Sdists that others brought: what is known of them, and what makes a project the organisation's own."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import quote

from packaging.utils import NormalizedName

from wheelyard.domain.index.index import Level
from wheelyard.domain.index.wheels import IndexedWheel, WheelOrigin, requires_python_of
from wheelyard.domain.packaging.release import IndexFile
from wheelyard.domain.untrusted.file_names import read_sdist_name
from wheelyard.domain.untrusted.metadata import parse_metadata
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.domain.untrusted.versions import find_version, read_version

SCHEME: Final = "sdist"
"""Scheme of the URLs of brought sdists, in builds too: the bytes move to our index once they are published there."""
_FIRST_RELIABLE: Final = read_version("2.2")


@dataclass(frozen=True, kw_only=True, slots=True)
class BroughtSdist:
    """An sdist that somebody of the organisation brought. Its project is the organisation's own from then on."""

    filename: str
    project: NormalizedName
    version: str
    """The version, normalised (PEP 440)."""
    sha256: str
    size_bytes: int
    requires_python: str | None
    metadata: bytes
    """Its PKG-INFO."""
    url: str
    """Where its bytes are until our index has them."""
    brought_by: str
    brought_at: datetime
    request_id: str | None = None
    """The request that has its wheels built; None if they are not ordered yet."""

    @classmethod
    def of(  # noqa: PLR0913  (facts of one file)
        cls,
        filename: str,
        *,
        sha256: str,
        size_bytes: int,
        metadata: bytes,
        url: str,
        brought_by: str,
        brought_at: datetime,
    ) -> "BroughtSdist":
        """Return a new one; raise RefusedTextError if its name is not that of an sdist (PEP 625)."""
        name = read_sdist_name(filename)
        return cls(
            filename=filename,
            project=name.project,
            version=str(name.version),
            sha256=sha256,
            size_bytes=size_bytes,
            requires_python=requires_python_of(metadata),
            metadata=metadata,
            url=url,
            brought_by=brought_by,
            brought_at=brought_at,
        )

    def as_file(self, *, yanked_reason: str | None = None, yanked: bool = False) -> IndexFile:
        """Return it as a file that an index lists; its URL stays the same wherever its bytes are."""
        return IndexFile(
            filename=self.filename,
            url=f"{SCHEME}:{quote(self.filename)}",
            sha256=self.sha256,
            kind="sdist",
            version=read_version(self.version),
            size_bytes=self.size_bytes,
            requires_python=self.requires_python,
            yanked=yanked,
            yanked_reason=yanked_reason,
            upload_time=self.brought_at,
        )

    def on_index(self, *, level: Level, url: str, metadata_sha256: str | None, now: datetime) -> IndexedWheel:
        """Return its record on our index."""
        return IndexedWheel(
            filename=self.filename,
            project=self.project,
            version=self.version,
            origin=WheelOrigin.BROUGHT,
            build_id=None,
            python=None,
            platform=None,
            tag=None,
            sha256=self.sha256,
            size_bytes=self.size_bytes,
            requires_python=self.requires_python,
            metadata_sha256=metadata_sha256,
            level=level,
            url=url,
            uploaded_at=now,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class SdistPlace:
    """Where the bytes of a brought sdist are."""

    url: str
    is_on_index: bool
    """True if our index has them; else they are still where they were brought to."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DueSdist:
    """A brought sdist that our index can list now, because it has a wheel of the release."""

    sdist: BroughtSdist
    level: Level
    """The level of a wheel that was made from it, or brought beside it."""


def is_reliable(metadata: bytes) -> bool:
    """Return whether an sdist's PKG-INFO is true for every wheel that is made from it.

    That is so from Metadata-Version 2.2 on if no field is marked as dynamic (PEP 643). Other fields may change in a
    build, so installers must not read them from the sdist.
    """
    try:
        raw = parse_metadata(metadata)
    except RefusedTextError:
        return False
    version = find_version(raw.get("metadata_version", ""))
    return version is not None and version >= _FIRST_RELIABLE and not raw.get("dynamic")
