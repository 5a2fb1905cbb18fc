"""Wheels on an index in memory, published as builds publish them."""

import hashlib
from dataclasses import dataclass, field, replace
from datetime import datetime

from packaging.utils import canonicalize_name
from tests.contract.samples import BEGINNING, ManualClock, sample_order, sample_wheel
from tests.fakes.index import MemoryIndex
from tests.fakes.records import MemoryState
from tests.fakes.wheels import MemoryWheels
from tests.unit.pipeline_harness import make_wheel

from wheelyard.domain.index.index import Level, PublishedFile
from wheelyard.domain.index.sdists import BroughtSdist
from wheelyard.domain.index.wheels import IndexedWheel, IndexEntry, WheelOrigin
from wheelyard.domain.packaging.wheel_contents import Member, WheelContents

METADATA = b"Metadata-Version: 2.4\nName: demo\nVersion: 1.0\nRequires-Python: >=3.9,<4\n"


def entry_for(  # noqa: PLR0913  (one parameter for each thing that tests vary)
    filename: str,
    content: bytes = b"bytes",
    *,
    metadata: bytes = METADATA,
    level: Level = Level.PROD,
    build_id: str = "b1",
    origin: WheelOrigin = WheelOrigin.BUILT,
    now: datetime = BEGINNING,
) -> IndexEntry:
    """Describe a wheel that was just published."""
    project, version = canonicalize_name(filename.split("-", maxsplit=1)[0]), filename.split("-")[1]
    digest = hashlib.sha256(content).hexdigest()
    published = PublishedFile(
        filename=filename,
        url=f"memory:{project}/{filename}",
        index_url="memory:",
        sha256=digest,
        size_bytes=len(content),
        uploaded=True,
        level=level,
        metadata=metadata,
        contents=WheelContents(members=(Member(path="demo.py", size_bytes=12),), total=1, size_bytes=12),
    )
    order = replace(sample_order(project=project), version=version)
    wheel = replace(sample_wheel(), filename=filename, sha256=digest, size_bytes=len(content), tag="py3-none-any")
    entry = IndexEntry.of(order, wheel, published, build_id=build_id, now=now)
    if origin is not WheelOrigin.BUILT:
        entry = replace(entry, wheel=replace(entry.wheel, origin=origin, build_id=None))
    return entry


@dataclass(kw_only=True)
class WheelHarness:
    """An index in memory: what is known, and what each level of devpi holds."""

    state: MemoryState = field(default_factory=lambda: MemoryState(clock=ManualClock(BEGINNING)))
    prod: MemoryIndex = field(default_factory=MemoryIndex)
    staging: MemoryIndex = field(default_factory=lambda: MemoryIndex(Level.STAGING))

    @property
    def wheels(self) -> MemoryWheels:
        """What is known."""
        return MemoryWheels(self.state)

    def put(
        self,
        filename: str,
        content: bytes | None = None,
        *,
        level: Level = Level.PROD,
        origin: WheelOrigin = WheelOrigin.BUILT,
    ) -> IndexedWheel:
        """Publish a wheel and record it."""
        name, version = filename.split("-")[:2]
        data = make_wheel(filename, name=name, version=version) if content is None else content
        self.hold(filename, data, level=level)
        entry = entry_for(filename, data, level=level, origin=origin)
        self.state.record_wheel(entry)
        return entry.wheel

    def bring(self, filename: str, content: bytes = b"sdist", *, metadata: bytes = METADATA) -> BroughtSdist:
        """Record an sdist that somebody brought; our index does not have it yet."""
        sdist = BroughtSdist.of(
            filename,
            sha256=hashlib.sha256(content).hexdigest(),
            size_bytes=len(content),
            metadata=metadata,
            url=f"upload:{filename}",
            brought_by="alice",
            brought_at=BEGINNING,
        )
        self.state.sdists[filename] = sdist
        return sdist

    def put_sdist(self, filename: str, content: bytes = b"sdist", *, level: Level = Level.PROD) -> IndexedWheel:
        """Bring an sdist, publish and record it."""
        sdist = self.bring(filename, content)
        self.hold(filename, content, level=level)
        digest = hashlib.sha256(sdist.metadata).hexdigest()
        url = f"memory:{sdist.project}/{filename}"
        file = sdist.on_index(level=level, url=url, metadata_sha256=digest, now=BEGINNING)
        self.state.record_wheel(IndexEntry(wheel=file, metadata=sdist.metadata))
        return file

    def hold(self, filename: str, content: bytes, *, level: Level = Level.PROD) -> None:
        """Put a file on devpi alone."""
        index = self.prod if level is Level.PROD else self.staging
        index.files[canonicalize_name(filename.split("-", maxsplit=1)[0]), filename] = content
