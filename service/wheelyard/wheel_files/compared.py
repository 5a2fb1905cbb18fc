"""Read what is compared of a wheel. Blocks; a wheel is hostile, so this belongs into a parser's process."""

import hashlib
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from wheelyard.domain.comparison.wheels import Difference, DifferenceKind, WheelFacts
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.wheel_files.archive import check_archive
from wheelyard.wheel_files.elf_sections import read_sections
from wheelyard.wheel_files.members import check_members
from wheelyard.wheel_files.reader import read_wheel
from wheelyard.wheel_files.startup import find_startup
from wheelyard.zip_files import open_zip

_BLOCK: Final = 1 << 20
_MOST_BYTES: Final = 2 << 30
"""How much of a wheel is unpacked to be compared."""
_LONGEST_FIRST: Final = 200
_ENTRY_POINTS_BYTES: Final = 1 << 20
_MOST_ENTRY_POINTS: Final = 5000
_FIELDS: Final = {
    "requires_dist": "Requires-Dist",
    "requires_python": "Requires-Python",
    "provides_extra": "Provides-Extra",
    "license": "License",
    "license_expression": "License-Expression",
    "license_files": "License-File",
    "dynamic": "Dynamic",
}


def read_facts(path: Path, filename: str = "") -> WheelFacts:
    """Return what is compared of a wheel.

    Raises:
        RefusedTextError: It is no wheel, or one whose parts do not agree.
    """
    try:
        file = read_wheel(path, filename=filename, bounded=True)
        with open_zip(path) as bundle:
            check_archive(bundle)
            startup = find_startup(bundle)
            return WheelFacts(
                filename=file.filename,
                sha256=file.sha256,
                members=dict(_digests(bundle)),
                metadata={shown: _values(file.core.get(key)) for key, shown in _FIELDS.items() if file.core.get(key)},
                entry_points=frozenset(_entry_points(bundle)),
                startup=frozenset(one.name for one in startup.files),
            )
    except (ValueError, zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise RefusedTextError(f"{filename or path.name} is no wheel that can be compared: {error}") from error


def _values(value: Any) -> tuple[str, ...]:  # noqa: ANN401  (fields of RawMetadata have several types)
    return (value,) if isinstance(value, str) else tuple(map(str, value))


def _digests(bundle: zipfile.ZipFile) -> Iterator[tuple[str, str]]:
    if sum(member.file_size for member in bundle.infolist()) > _MOST_BYTES:
        raise ValueError(f"it unpacks to more than {_MOST_BYTES >> 30} GiB")
    for member in bundle.infolist():
        if not member.is_dir():
            yield member.filename, _digest(bundle, member)


def _digest(bundle: zipfile.ZipFile, member: zipfile.ZipInfo) -> str:
    digest = hashlib.sha256()
    with bundle.open(member) as file:
        if ".data/scripts/" in member.filename and (first := file.readline(_LONGEST_FIRST)).strip() != b"#!python":
            digest.update(first)
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _entry_points(bundle: zipfile.ZipFile) -> Iterator[str]:
    """Yield each line of ``entry_points.txt`` with its group; spaces around ``=`` mean nothing."""
    name = next((one for one in bundle.namelist() if one.endswith(".dist-info/entry_points.txt")), None)
    if name is None:
        return
    with bundle.open(name) as file:
        text = file.read(_ENTRY_POINTS_BYTES).decode(errors="replace")
    group = ""
    for line in text.splitlines()[:_MOST_ENTRY_POINTS]:
        plain = line.strip()
        if plain.startswith("["):
            group = plain.strip("[]")
        elif plain and not plain.startswith(("#", ";")):
            key, _, value = plain.partition("=")
            yield f"{group}: {key.strip()} = {value.strip()}"


_LARGEST_EXPLAINED: Final = 64 << 20
_MOST_EXPLAINED: Final = 50
_PATHS: Final = (b"/scratch/", b"/tmp/", b"/home/", b"/build/", b"/root/")


def explain_bytes(path: Path, other: Path) -> tuple[Difference, ...]:
    """Return why two wheels that should have the same bytes have not, as far as their bytes tell.

    Raises:
        RefusedTextError: One of them cannot be read.
    """
    try:
        with open_zip(path) as ours, open_zip(other) as theirs:
            for bundle in (ours, theirs):
                check_members(bundle.infolist())
            return (*_of_archive(ours, theirs), *_of_members(ours, theirs))
    except (ValueError, zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise RefusedTextError(f"{path.name} and {other.name} cannot be compared: {error}") from error


def _of_archive(ours: zipfile.ZipFile, theirs: zipfile.ZipFile) -> Iterator[Difference]:
    names, others = ours.namelist(), theirs.namelist()
    if names != others and sorted(names) == sorted(others):
        yield _archive("order", "the same files, in another order")
    shared = sorted(set(names) & set(others))
    for attribute, title in (("date_time", "times"), ("external_attr", "modes"), ("compress_type", "compression")):
        differing = [
            one for one in shared if getattr(ours.getinfo(one), attribute) != getattr(theirs.getinfo(one), attribute)
        ]
        if differing:
            example = f"{len(differing)} of {len(shared)} files differ in it, such as {differing[0]}"
            yield _archive(title, example)


def _archive(name: str, text: str) -> Difference:
    return Difference(kind=DifferenceKind.ARCHIVE, name=name, text=text, is_explained=False)


def _of_members(ours: zipfile.ZipFile, theirs: zipfile.ZipFile) -> Iterator[Difference]:
    explained = 0
    for name in sorted(set(ours.namelist()) & set(theirs.namelist())):
        one, other = ours.getinfo(name), theirs.getinfo(name)
        if max(one.file_size, other.file_size) > _LARGEST_EXPLAINED or name.endswith("/"):
            continue
        if one.CRC == other.CRC and one.file_size == other.file_size:
            continue
        content, against = ours.read(one), theirs.read(other)
        if content != against:
            explained += 1
            text = why_differ(content, against)
            yield Difference(kind=DifferenceKind.CHANGED, name=name, text=text, is_explained=False)
        if explained == _MOST_EXPLAINED:
            return


def why_differ(content: bytes, other: bytes) -> str:
    """Return a sentence about why two contents of a file differ."""
    sections, others = read_sections(content), read_sections(other)
    if sections and others:
        names = sorted(name for name in sections.keys() | others.keys() if sections.get(name) != others.get(name))
        return _in_sections(names, content, other)
    try:
        lines, against = content.decode().splitlines(), other.decode().splitlines()
    except UnicodeDecodeError:
        place = next((at for at, pair in enumerate(zip(content, other, strict=False)) if pair[0] != pair[1]), None)
        where = f"from byte {place} on" if place is not None else "in its length"
        return f"its bytes differ {where} ({len(content)} and {len(other)} bytes)"
    if sorted(lines) == sorted(against):
        return "the same lines, in another order"
    return _in_lines(lines, against)


def _in_sections(names: Sequence[str], content: bytes, other: bytes) -> str:
    if set(names) <= {".note.gnu.build-id", ".gnu_debuglink"}:
        return "only its build id differs"
    paths = [one.decode() for one in _PATHS if content.count(one) != other.count(one)]
    if paths:
        return f"it has paths of the build in it ({', '.join(paths)}); these sections differ: {', '.join(names)}"
    if not names:
        return "its sections are equal, and its headers or what is between them differ"
    if set(names) <= {".comment", ".note.gnu.build-id"}:
        return "it was made by another compiler (.comment)"
    kind = "its machine code differs" if ".text" in names else "its data differ"
    return f"{kind}, in {', '.join(names[:8])}{' …' if len(names) > 8 else ''}"  # noqa: PLR2004  (a line's worth)


def _in_lines(lines: Sequence[str], others: Sequence[str]) -> str:
    for number, (line, other) in enumerate(zip(lines, others, strict=False), start=1):
        if line != other:
            return f"line {number} is {line[:80]!r} and {other[:80]!r}"
    return f"it has {len(lines)} and {len(others)} lines"
