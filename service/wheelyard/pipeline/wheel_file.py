"""Read a wheel as untrusted data: its name, metadata and tags must agree with each other and with the order.

Must not unpack it, and must not parse ELF files.
"""

import hashlib
import lzma
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packaging.metadata import parse_email
from packaging.tags import Tag
from packaging.utils import BuildTag, InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from wheelyard.domain.build import BuildOrder

# What the zipfile module raises for files that are broken, encrypted or compressed in ways it does not know.
_UNREADABLE: Final = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, RuntimeError, OSError, EOFError)
_METADATA_BYTES: Final = 4 << 20
_MAX_MEMBERS: Final = 100_000


@dataclass(frozen=True, kw_only=True, slots=True)
class WheelFile:
    """A wheel's file name and metadata, seen to agree."""

    sha256: str
    size_bytes: int
    build_tag: BuildTag
    tags: frozenset[Tag]
    requires_dist: tuple[str, ...]
    """What it requires at run time, as PEP 508 strings."""


def read_wheel(path: Path, order: BuildOrder) -> WheelFile:
    """Read a wheel that was built for an order; raises ValueError with the reason if they do not agree. Blocks."""
    try:
        name, version, build_tag, tags = parse_wheel_filename(path.name)
    except InvalidWheelFilename as error:
        raise ValueError(str(error)) from error
    _check_release(f"the file name {path.name}", name, version, order)
    if not tags & set(order.target.tags()):
        raise ValueError(f"{path.name} does not fit {order.target}")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return WheelFile(
        sha256=digest,
        size_bytes=path.stat().st_size,
        build_tag=build_tag,
        tags=tags,
        requires_dist=_read_requirements(path, order),
    )


def tag_of(path: Path) -> str:
    """Give the compatibility tags as the file name has them, such as ``cp313-cp313-linux_x86_64``."""
    return "-".join(path.stem.split("-")[-3:])


def _check_release(where: str, name: str, version: Version, order: BuildOrder) -> None:
    if name != order.project or version != Version(order.version):
        raise ValueError(f"{where} says {name} {version}, but {order.project} {order.version} was ordered")


def _read_requirements(path: Path, order: BuildOrder) -> tuple[str, ...]:
    try:
        with zipfile.ZipFile(path) as bundle:
            raw, _ = parse_email(_read_metadata(bundle))
    except _UNREADABLE as error:
        raise ValueError(f"{path.name} is not a zip file that can be read ({error})") from error
    try:
        version = Version(raw.get("version", ""))
    except InvalidVersion as error:
        raise ValueError(f"{path.name}: its METADATA has no valid version") from error
    _check_release("METADATA", canonicalize_name(raw.get("name", "")), version, order)
    return tuple(raw.get("requires_dist", ()))


def _read_metadata(bundle: zipfile.ZipFile) -> bytes:
    members = bundle.infolist()
    if len(members) > _MAX_MEMBERS:
        raise ValueError(f"it has {len(members)} members, and {_MAX_MEMBERS} are allowed")
    found = [member for member in members if _is_metadata(member.filename)]
    if len(found) != 1:
        raise ValueError(f"it has {len(found)} METADATA files instead of one")
    if found[0].file_size > _METADATA_BYTES:
        raise ValueError(f"its METADATA has {found[0].file_size} bytes")
    with bundle.open(found[0]) as file:
        return file.read(_METADATA_BYTES)


def _is_metadata(name: str) -> bool:
    folder, _, file = name.partition("/")
    return file == "METADATA" and folder.endswith(".dist-info")
