"""Files for resolvers to choose from: wheels and sdists with nothing but metadata, and an own index in memory."""

import hashlib
import io
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import parse_wheel_filename
from tests.contract.samples import BEGINNING, TARGET, ManualClock
from tests.fakes.index import MemoryIndex
from tests.fakes.records import MemoryState
from tests.fakes.wheels import MemoryWheels

from wheelyard.adapters.resolver.own_wheels import OwnWheels
from wheelyard.adapters.upstream.cache import ContentCache
from wheelyard.domain.index.index import Level
from wheelyard.domain.index.wheels import IndexedWheel, IndexEntry, WheelOrigin


@dataclass(frozen=True, kw_only=True)
class OwnStorage:
    """Our own index, in memory."""

    records: MemoryWheels
    held: MemoryIndex
    wheels: OwnWheels

    async def publish(
        self, filename: str, content: bytes, *, level: Level = Level.PROD, keep_metadata: bool = True
    ) -> IndexedWheel:
        """Put a wheel on it."""
        project, version, _, _ = parse_wheel_filename(filename)
        self.held.files[project, filename] = content
        metadata = metadata_of(content)
        wheel = IndexedWheel(
            filename=filename,
            project=project,
            version=str(version),
            origin=WheelOrigin.BUILT,
            build_id=None,
            python=TARGET.python,
            platform=TARGET.platform,
            tag="",
            sha256=hashlib.sha256(content).hexdigest(),
            size_bytes=len(content),
            requires_python=None,
            metadata_sha256=hashlib.sha256(metadata).hexdigest() if keep_metadata else None,
            level=level,
            url=f"memory:{project}/{filename}",
            uploaded_at=BEGINNING,
        )
        await self.records.record(IndexEntry(wheel=wheel, metadata=metadata))
        return wheel


def open_own_storage(folder: Path, level: Level = Level.PROD) -> OwnStorage:
    """Make an empty one."""
    records = MemoryWheels(MemoryState(clock=ManualClock(BEGINNING)))
    held = MemoryIndex()
    cache = ContentCache(root=folder, floor_bytes=0)
    return OwnStorage(
        records=records, held=held, wheels=OwnWheels(store=records, storage=held, cache=cache, level=level)
    )


def simple_wheel(name: str, version: str, *requires: str) -> bytes:
    """Make a wheel that requires this."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as bundle:
        info = f"{name}-{version}.dist-info"
        bundle.writestr(f"{info}/METADATA", metadata_text(name, version, *requires))
        bundle.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        bundle.writestr(f"{info}/RECORD", "")
    return buffer.getvalue()


def simple_sdist(name: str, version: str, *requires: str) -> bytes:
    """Make an sdist that says that it requires this."""
    text = metadata_text(name, version, *requires).encode()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as bundle:
        member = tarfile.TarInfo(f"{name}-{version}/PKG-INFO")
        member.size = len(text)
        bundle.addfile(member, io.BytesIO(text))
    return buffer.getvalue()


def metadata_text(name: str, version: str, *requires: str) -> str:
    lines = ["Metadata-Version: 2.2", f"Name: {name}", f"Version: {version}"]
    return "\n".join([*lines, *(f"Requires-Dist: {one}" for one in requires)]) + "\n"


def metadata_of(wheel: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(wheel)) as bundle:
        return bundle.read(next(name for name in bundle.namelist() if name.endswith("/METADATA")))
