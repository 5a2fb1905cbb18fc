"""Read a wheel as untrusted data: name, metadata, tags and RECORD must agree with each other and with the order.

Must not unpack it, and must not parse ELF files.
"""

import hashlib
import lzma
import math
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from packaging.tags import Tag
from packaging.utils import BuildTag, canonicalize_name
from packaging.version import Version

from wheelyard.domain.builds.build import BuildOrder
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.packaging.wheel_contents import WheelContents
from wheelyard.domain.untrusted.file_names import read_tag, read_wheel_name
from wheelyard.domain.untrusted.metadata import parse_metadata
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.domain.untrusted.versions import read_version
from wheelyard.pipeline.wheel_members import check_members, check_places, plain, shown
from wheelyard.pipeline.wheel_record import check_record, check_scripts
from wheelyard.pipeline.wheel_startup import Startup, find_startup
from wheelyard.zip_files import open_zip

T = TypeVar("T")

# What the zipfile module raises for files that are broken, encrypted or compressed in ways it does not know.
_UNREADABLE: Final = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, RuntimeError, OSError, EOFError)
_INFO_BYTES: Final = {"METADATA": 4 << 20, "WHEEL": 64 << 10, "entry_points.txt": 1 << 20}
_MAX_REQUIREMENTS: Final = 10_000
_MAX_TAGS: Final = 1000
_SCHEMES: Final = frozenset({"purelib", "platlib", "headers", "scripts", "data"})


@dataclass(frozen=True, kw_only=True, slots=True)
class WheelFile:
    """A wheel's file name and metadata, seen to agree."""

    sha256: str
    size_bytes: int
    build_tag: BuildTag
    tags: frozenset[Tag]
    requires_dist: tuple[str, ...]
    """What it requires at run time, as PEP 508 strings."""
    startup: Startup = field(default_factory=Startup)
    """What Python would run at each of its starts, once it is installed."""

    @property
    def startup_files(self) -> tuple[str, ...]:
        """The names of what Python would run at each of its starts."""
        return tuple(file.name for file in self.startup.files)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Content:
    requires_dist: tuple[str, ...]
    startup: Startup


def read_wheel(path: Path, order: BuildOrder) -> WheelFile:
    """Read a wheel that was built for an order; raises ValueError with the reason if they do not agree. Blocks."""
    try:
        name, version, build_tag, tags = read_wheel_name(path.name)
    except RefusedTextError as error:
        raise ValueError(str(error)) from error
    _check_release(f"the file name {path.name}", name, version, order)
    _check_fit(path.name, tags, order.target)
    content = _open(path, lambda bundle: _read_content(bundle, order, tags))
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return WheelFile(
        sha256=digest,
        size_bytes=path.stat().st_size,
        build_tag=build_tag,
        tags=tags,
        requires_dist=content.requires_dist,
        startup=content.startup,
    )


def tag_of(path: Path) -> str:
    """Give the compatibility tags as the file name has them, such as ``cp313-cp313-linux_x86_64``."""
    return "-".join(path.stem.split("-")[-3:])


def read_metadata(path: Path) -> bytes:
    """Read a wheel's METADATA file as it is; raises ValueError with the reason if there is none to be had. Blocks."""
    return _open(path, lambda bundle: _read_only(bundle, "METADATA"))


def read_contents(path: Path) -> WheelContents:
    """List the files of a wheel; raises ValueError with the reason if it cannot be read. Blocks."""
    return _open(path, lambda bundle: WheelContents.of(bundle.infolist()))


def _open(path: Path, read: Callable[[zipfile.ZipFile], T]) -> T:
    """Read from a wheel, from the outside in: nothing before its members' own names and sizes are seen to be sound."""
    try:
        with open_zip(path) as bundle:
            check_members(bundle.infolist())
            return read(bundle)
    except _UNREADABLE as error:
        raise ValueError(f"{path.name} is not a zip file that can be read ({error})") from error
    except UnicodeError as error:
        raise ValueError(f"{path.name} has names or texts that are not UTF-8 ({error})") from error


def _check_release(where: str, name: str, version: Version, order: BuildOrder) -> None:
    if name != order.project or version != read_version(order.version):
        raise ValueError(f"{where} says {name} {version}, but {order.project} {order.version} was ordered")


def _check_fit(filename: str, tags: frozenset[Tag], target: Target) -> None:
    """Refuse a wheel for another target, and one that claims more than this target can prove.

    Installers believe each of a compressed tag's combinations. What has no ABI at all may name Pythons of every major
    version (``py2.py3``): that is what its project says of its own source.
    """
    accepted = frozenset(target.tags())
    if not tags & accepted:
        raise ValueError(f"{filename} does not fit {target}")
    for tag in sorted(tags - accepted, key=str):
        is_general = tag.abi == "none" and tag.interpreter.startswith("py")
        if not is_general or Tag("py3", "none", tag.platform) not in accepted:
            raise ValueError(f"{filename} claims {tag}, which a build for {target} does not prove")


def _read_content(bundle: zipfile.ZipFile, order: BuildOrder, tags: frozenset[Tag]) -> _Content:
    names = bundle.namelist()
    raw = parse_metadata(_read_only(bundle, "METADATA"))
    try:
        version = read_version(raw.get("version", ""))
    except RefusedTextError as error:
        raise ValueError("its METADATA has no valid version") from error
    _check_release("METADATA", canonicalize_name(raw.get("name", "")), version, order)
    requires = tuple(raw.get("requires_dist", ()))
    if len(requires) > _MAX_REQUIREMENTS:
        raise ValueError(f"its METADATA has {len(requires)} requirements, and {_MAX_REQUIREMENTS} are allowed")
    folder = _check_folders(names, order)
    _check_tags(_read_only(bundle, "WHEEL"), tags)
    check_record(bundle, folder)
    has_entry_points = f"{folder}/entry_points.txt" in names
    check_scripts(names, _read_only(bundle, "entry_points.txt") if has_entry_points else b"")
    startup = find_startup(bundle)
    check_places(names, info=folder, roots=startup.folders)
    return _Content(requires_dist=requires, startup=startup)


def _check_folders(names: Sequence[str], order: BuildOrder) -> str:
    """Check the two folders that installers treat specially; return the ``.dist-info`` one."""
    tops = {name.partition("/")[0] for name in names}
    infos = sorted(top for top in tops if plain(top).endswith(".dist-info"))
    if len(infos) != 1:
        raise ValueError(f"it has {len(infos)} .dist-info folders instead of one")
    stem = infos[0][: -len(".dist-info")]
    name, _, text = stem.partition("-")
    try:
        _check_release(f"its folder {shown(infos[0])}", canonicalize_name(name), read_version(text), order)
    except RefusedTextError as error:
        raise ValueError(f"its folder {shown(infos[0])} names no version") from error
    data = [name.split("/", 2) for name in names if plain(name.partition("/")[0]).endswith(".data")]
    for top, *rest in data:
        # Some build backends list the folders, too: the one itself has an empty rest.
        if top != f"{stem}.data" or not rest or rest[0] not in {"", *_SCHEMES} or (rest[0] and len(rest) == 1):
            raise ValueError(f"its member {shown('/'.join([top, *rest]))} is in no folder that installers know")
    return infos[0]


def _check_tags(text: bytes, tags: frozenset[Tag]) -> None:
    lines = (line.partition(":") for line in text.decode().splitlines())
    said = [value.strip() for key, _, value in lines if key.strip().lower() == "tag"]
    # A compressed tag stands for the product of its parts: a short text could mean millions.
    if sum(math.prod(part.count(".") + 1 for part in value.split("-")) for value in said) > _MAX_TAGS:
        raise ValueError("its WHEEL has too many tags")
    try:
        parsed = frozenset(tag for value in said for tag in read_tag(value))
    except ValueError as error:
        raise ValueError("its WHEEL has a tag that cannot be read") from error
    if parsed and parsed != tags:
        raise ValueError(f"its WHEEL has the tags {shown(', '.join(said))}, and its file name has others")


def _read_only(bundle: zipfile.ZipFile, wanted: str) -> bytes:
    """Read the one file of this name that a wheel must have, of bounded size."""
    found = [member for member in bundle.infolist() if _is_info(member.filename, wanted)]
    if len(found) != 1:
        raise ValueError(f"it has {len(found)} {wanted} files instead of one")
    limit = _INFO_BYTES[wanted]
    if found[0].file_size > limit:
        raise ValueError(f"its {wanted} has {found[0].file_size} bytes; {limit} are allowed")
    with bundle.open(found[0]) as file:
        return file.read(limit)


def _is_info(name: str, wanted: str) -> bool:
    folder, _, file = name.partition("/")
    return file == wanted and folder.endswith(".dist-info")
