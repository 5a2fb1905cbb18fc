"""Read wheels as untrusted data, without unpacking anything.

``read_wheel`` returns a wheel's metadata. ``check_wheel`` also proves that all its parts agree: name, tags, metadata,
RECORD, and the place where installers would put each file.
"""

import errno
import hashlib
import io
import lzma
import math
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, NamedTuple

from packaging.metadata import RawMetadata
from packaging.tags import Tag
from packaging.utils import BuildTag, NormalizedName, canonicalize_name
from packaging.version import Version

from wheelyard.domain.builds.build import BuildOrder
from wheelyard.domain.builds.upstream_wheels import is_extension_file
from wheelyard.domain.healing.findings import FindingKind
from wheelyard.domain.packaging.pythons import runs_somewhere
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.packaging.wheel_contents import WheelContents
from wheelyard.domain.untrusted.file_names import WheelName, read_tag, read_wheel_name
from wheelyard.domain.untrusted.metadata import MAX_BYTES, parse_metadata
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.domain.untrusted.versions import read_version
from wheelyard.errors import HashMismatchError
from wheelyard.wheel_files.archive import check_archive
from wheelyard.wheel_files.members import check_members, check_places, plain, shown
from wheelyard.wheel_files.record import check_record, check_scripts
from wheelyard.wheel_files.startup import Startup, find_startup
from wheelyard.zip_files import open_zip

# What the zipfile module raises for files that are broken, encrypted or compressed in unknown ways.
_UNREADABLE: Final = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, RuntimeError, OSError, EOFError)
_INFO_BYTES: Final = {"METADATA": MAX_BYTES, "WHEEL": 64 << 10, "entry_points.txt": 1 << 20}
"""The largest size of each that is read. METADATA of at most 4 MiB is parsed."""
_MAX_REQUIREMENTS: Final = 10_000
_MAX_TAGS: Final = 1000
_SCHEMES: Final = frozenset({"purelib", "platlib", "headers", "scripts", "data"})


class RefusedWheelError(ValueError):
    """A wheel that cannot be read, or whose parts do not agree; its text is the reason."""

    def __init__(self, reason: str, *, kind: FindingKind = FindingKind.METADATA_MISMATCH) -> None:
        super().__init__(reason)
        self.kind = kind
        """Which of its claims is false."""


@contextmanager
def _judging(kind: FindingKind) -> Iterator[None]:
    """Give the problem that a check raises as ValueError its kind, unless it has one already."""
    try:
        yield
    except (RefusedWheelError, UnicodeError):
        raise
    except ValueError as error:
        raise RefusedWheelError(str(error), kind=kind) from error


@dataclass(frozen=True, kw_only=True, slots=True)
class WheelFile:
    """A wheel's metadata."""

    filename: str
    project: NormalizedName
    version: Version
    build_tag: BuildTag
    tags: frozenset[Tag]
    sha256: str
    size_bytes: int
    metadata: bytes
    """The bytes of its METADATA file."""
    core: RawMetadata
    """Its parsed METADATA file."""
    contents: WheelContents
    startup: Startup = field(default_factory=Startup)
    """What Python would run at each start once the wheel is installed; only ``check_wheel`` sets it."""

    @property
    def requires_dist(self) -> tuple[str, ...]:
        """Its requirements at run time, as PEP 508 strings."""
        return tuple(self.core.get("requires_dist", ()))


def read_wheel(
    source: Path | io.BufferedIOBase, *, filename: str = "", sha256: str | None = None, bounded: bool = False
) -> WheelFile:
    """Return the metadata of a wheel whose members are all whole. Blocks.

    Args:
        source: The wheel's path, or a seekable file.
        filename: Its file name; it may be left out for a path.
        sha256: The hash that it must have.
        bounded: Whether the names and sizes of its members are checked first, as ``check_wheel`` does. Wheels of others
            are mirrored as they are.

    Raises:
        HashMismatchError: It is not the promised file.
        RefusedWheelError: It is not a whole wheel, or its METADATA is of another release than its file name.
    """
    with _opened(source, filename, sha256) as (bundle, wheel):
        if bounded:
            with _judging(FindingKind.ZIP_AMBIGUOUS):
                check_members(bundle.infolist())
        if damaged := bundle.testzip():
            raise RefusedWheelError(f"its {damaged} is damaged", kind=FindingKind.WHEEL_UNREADABLE)
        file = _describe(bundle, wheel)
        version = file.core.get("version", "")
        if canonicalize_name(file.core.get("name", "")) != file.project or read_version(version) != file.version:
            raise ValueError("its METADATA names another release than its file name")
        return file


def check_wheel(source: Path | io.BufferedIOBase, order: BuildOrder | None = None, *, filename: str = "") -> WheelFile:
    """Return a wheel's metadata if all its parts agree, and agree with an order. Blocks.

    Args:
        source: The wheel's path, or a seekable file.
        order: What it was built or brought for; None for a wheel without an order.
        filename: Its file name; it may be left out for a path.

    Raises:
        RefusedWheelError: Parts of it do not agree.
    """
    with _opened(source, filename) as (bundle, wheel):
        release = _Release(project=wheel.name.project, version=str(wheel.name.version), origin="is in its file name")
        if order is not None:
            release = _Release(project=order.project, version=order.version, origin="was ordered")
            release.check(f"the file name {wheel.filename}", wheel.name.project, wheel.name.version)
            if not order.is_brought:  # its own tags say where it is proven, not the target that it is repaired on
                _check_fit(wheel.filename, wheel.name.tags, order.target)
        # From the outside in: nothing is read before the members' own names and sizes are checked.
        with _judging(FindingKind.ZIP_AMBIGUOUS):
            check_members(bundle.infolist())
            check_archive(bundle)
        _check_infos(bundle.namelist())
        file = _describe(bundle, wheel)
        if order is None or order.is_brought:
            _check_pythons(file)
        return replace(file, startup=_check_parts(bundle, file, release))


def list_extension_files(source: Path) -> tuple[str, ...]:
    """Return the members of a wheel that are extension modules by their names. Blocks; nothing is unpacked.

    Raises:
        RefusedTextError: It cannot be read, or has too many members or names that no honest wheel has.
    """
    try:
        with open_zip(source) as bundle:
            check_members(bundle.infolist())
            return tuple(name for name in bundle.namelist() if is_extension_file(name))
    except (*_UNREADABLE, ValueError) as error:
        raise RefusedTextError(f"{source.name} cannot be read ({error})") from error


def tag_of(path: Path) -> str:
    """Return the compatibility tags as the file name has them, such as ``cp313-cp313-linux_x86_64``."""
    return "-".join(path.stem.split("-")[-3:])


class _OpenWheel(NamedTuple):
    filename: str
    name: WheelName
    sha256: str
    size_bytes: int


@contextmanager
def _opened(
    source: Path | io.BufferedIOBase, filename: str, sha256: str | None = None
) -> Iterator[tuple[zipfile.ZipFile, _OpenWheel]]:
    """Open a wheel; raise every problem as RefusedWheelError."""
    name = filename or (source.name if isinstance(source, Path) else "")
    unreadable = FindingKind.WHEEL_UNREADABLE
    with source.open("rb") if isinstance(source, Path) else nullcontext(source) as file:
        file.seek(0)
        found = hashlib.file_digest(file, "sha256").hexdigest()
        if sha256 not in {None, found}:
            raise HashMismatchError(what=name, expected=str(sha256), found=found)
        try:
            with _judging(FindingKind.METADATA_MISMATCH):
                wheel = _OpenWheel(name, read_wheel_name(name), found, file.seek(0, io.SEEK_END))
            # What the other checks refuse has a kind already; the rest is the directory's size.
            with _judging(FindingKind.ZIP_AMBIGUOUS), open_zip(file) as bundle, _judging(FindingKind.METADATA_MISMATCH):
                yield bundle, wheel
        except _UNREADABLE as error:
            # zipfile seeks to places that a hostile file names, which is EINVAL; all else is this host's fault.
            if isinstance(error, OSError) and error.errno not in {None, errno.EINVAL}:
                raise
            raise RefusedWheelError(f"{name} is not a zip file that can be read ({error})", kind=unreadable) from error
        except UnicodeError as error:
            reason = f"{name} has names or texts that are not UTF-8 ({error})"
            raise RefusedWheelError(reason, kind=unreadable) from error


def _describe(bundle: zipfile.ZipFile, wheel: _OpenWheel) -> WheelFile:
    metadata = _read_only(bundle, "METADATA")
    return WheelFile(
        filename=wheel.filename,
        project=wheel.name.project,
        version=wheel.name.version,
        build_tag=wheel.name.build,
        tags=wheel.name.tags,
        sha256=wheel.sha256,
        size_bytes=wheel.size_bytes,
        metadata=metadata,
        core=parse_metadata(metadata),
        contents=WheelContents.of(bundle.infolist()),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Release:
    """The release that every part of a wheel must name."""

    project: str
    version: str
    origin: str
    """Where the release is named, as the end of a message."""

    def check(self, where: str, name: str, version: Version) -> None:
        """Raise ValueError if a part names another one."""
        if name != self.project or version != read_version(self.version):
            raise ValueError(f"{where} says {name} {version}, but {self.project} {self.version} {self.origin}")


def _check_fit(filename: str, tags: frozenset[Tag], target: Target) -> None:
    """Refuse a wheel for another target, and one that claims more than this target can prove.

    Installers accept each combination of a compressed tag. A wheel without an ABI may name Pythons of every major
    version (``py2.py3``): its project claims that of its own source.
    """
    accepted = frozenset(target.tags())
    if not tags & accepted:
        raise ValueError(f"{filename} does not fit {target}")
    for tag in sorted(tags - accepted, key=str):
        is_general = tag.abi == "none" and tag.interpreter.startswith("py")
        if not is_general or Tag("py3", "none", tag.platform) not in accepted:
            raise ValueError(f"{filename} claims {tag}, which a build for {target} does not prove")


def _check_parts(bundle: zipfile.ZipFile, file: WheelFile, release: _Release) -> Startup:
    names = bundle.namelist()
    try:
        version = read_version(file.core.get("version", ""))
    except RefusedTextError as error:
        raise ValueError("its METADATA has no valid version") from error
    release.check("METADATA", canonicalize_name(file.core.get("name", "")), version)
    if len(file.requires_dist) > _MAX_REQUIREMENTS:
        count = len(file.requires_dist)
        raise ValueError(f"its METADATA has {count} requirements, and {_MAX_REQUIREMENTS} are allowed")
    folder = _check_folders(names, release)
    _check_tags(_read_only(bundle, "WHEEL"), file.tags)
    with _judging(FindingKind.RECORD_MISMATCH):
        check_record(bundle, folder)
    has_entry_points = f"{folder}/entry_points.txt" in names
    with _judging(FindingKind.SCRIPTS_INVALID):
        check_scripts(names, _read_only(bundle, "entry_points.txt") if has_entry_points else b"")
    with _judging(FindingKind.STARTUP_CODE):
        startup = find_startup(bundle)
    with _judging(FindingKind.FOREIGN_FOLDER):
        check_places(names, info=folder, roots=startup.folders)
    return startup


def _check_folders(names: Sequence[str], release: _Release) -> str:
    """Check the two folders that installers treat specially; return the ``.dist-info`` one."""
    (info,) = _check_infos(names)
    stem = info[: -len(".dist-info")]
    name, _, text = stem.partition("-")
    try:
        release.check(f"its folder {shown(info)}", canonicalize_name(name), read_version(text))
    except RefusedTextError as error:
        raise ValueError(f"its folder {shown(info)} names no version") from error
    data = [name.split("/", 2) for name in names if plain(name.partition("/")[0]).endswith(".data")]
    for top, *rest in data:
        # Some build backends add the folders too, with an empty rest (https://github.com/pypa/wheel/pull/289).
        if top != f"{stem}.data" or not rest or rest[0] not in {"", *_SCHEMES} or (rest[0] and len(rest) == 1):
            reason = f"its member {shown('/'.join([top, *rest]))} is in no folder that installers know"
            raise RefusedWheelError(reason, kind=FindingKind.FOREIGN_FOLDER)
    return info


def _check_infos(names: Sequence[str]) -> list[str]:
    """Return the ``.dist-info`` folders of a wheel; it must have one."""
    tops = {name.partition("/")[0] for name in names}
    infos = sorted(top for top in tops if plain(top).endswith(".dist-info"))
    if len(infos) != 1:
        reason = f"it has {len(infos)} .dist-info folders instead of one"
        raise RefusedWheelError(reason, kind=FindingKind.FOREIGN_FOLDER if infos else FindingKind.WHEEL_UNREADABLE)
    return infos


def _check_pythons(file: WheelFile) -> None:
    """Refuse a wheel that no Python can install: installers want its tags and its Requires-Python to allow it."""
    wanted = file.core.get("requires_python")
    if not runs_somewhere(file.tags, wanted):
        pythons = ", ".join(sorted({f"{tag.interpreter}-{tag.abi}" for tag in file.tags}))
        reason = f"its Requires-Python is {wanted}, which excludes every Python of its tags ({pythons})"
        raise RefusedWheelError(reason, kind=FindingKind.REQUIRES_PYTHON_MISMATCH)


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
    """Return the content of the one file of this name that a wheel must have, of limited size."""
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
