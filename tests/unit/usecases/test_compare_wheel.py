"""Comparing a wheel: what is told of each kind of difference, and with which files it is compared."""

import hashlib
import io
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest
from packaging.version import Version
from tests.fakes.parsers import InlineParsers
from tests.fakes.sources import MemorySourceIndex
from tests.unit.pipeline_harness import make_wheel, pack_wheel
from tests.unit.sdist_files import pack_sdist

from wheelyard.adapters.resolver.sdists import read_sdist_facts
from wheelyard.domain.comparison.wheels import Comparison, DifferenceKind, module_of
from wheelyard.domain.packaging.release import IndexFile
from wheelyard.errors import NotComparableError, UnknownProjectError
from wheelyard.usecases.comparison.compare import CompareWheel, Readers, nearest_wheel
from wheelyard.wheel_files.compared import explain_bytes, read_facts, why_differ

PURE: Final = "demo-1.0-py3-none-any.whl"
NATIVE: Final = "demo-1.0-1.bookworm-cp313-cp313-manylinux_2_36_x86_64.whl"
UPSTREAM: Final = "demo-1.0-cp313-cp313-manylinux_2_28_x86_64.whl"
SDIST: Final = "demo-1.0.tar.gz"
INFO: Final = "demo-1.0.dist-info"
METADATA: Final = b"Metadata-Version: 2.4\nName: demo\nVersion: 1.0\n"
FILES: Final[Mapping[str, bytes]] = {"demo.py": b"answer = 42\n", "demo_data/table.txt": b"1 2 3\n"}
SOURCE: Final[Mapping[str, bytes]] = {f"demo-1.0/src/{name}": content for name, content in FILES.items()}


def packed(filename: str, members: Mapping[str, bytes], metadata: bytes = METADATA) -> bytes:
    return pack_wheel(filename, {**members, f"{INFO}/METADATA": metadata})


@pytest.fixture
def index(tmp_path: Path) -> MemorySourceIndex:
    return MemorySourceIndex(tmp_path / "cache")


@pytest.fixture
def compare(index: MemorySourceIndex) -> CompareWheel:
    readers = Readers(wheel=read_facts, sdist=read_sdist_facts, why=explain_bytes)
    return CompareWheel(source=index, parsers=InlineParsers(), readers=readers)


class Folder:
    """A folder of wheels, compared with what an index has."""

    def __init__(self, root: Path, compare: CompareWheel) -> None:
        self._root, self._compare = root, compare
        root.mkdir()

    def put(self, filename: str, content: bytes) -> Path:
        path = self._root / filename
        path.write_bytes(content)
        return path

    async def __call__(self, filename: str, content: bytes) -> Comparison:
        return await self._compare(self.put(filename, content))


@pytest.fixture
def folder(tmp_path: Path, compare: CompareWheel) -> Folder:
    return Folder(tmp_path / "wheels", compare)


def told(comparison: Comparison) -> dict[str, tuple[str, bool]]:
    """Return the kind and whether it is explained of each difference but those of generated metadata, by name."""
    generated = {f"{INFO}/RECORD", f"{INFO}/METADATA", f"{INFO}/WHEEL"}
    return {one.name: (one.kind.value, one.is_explained) for one in comparison.differences if one.name not in generated}


async def test_wheel_of_the_sdist_has_nothing_that_a_person_should_look_at(
    index: MemorySourceIndex, folder: Folder
) -> None:
    index.add(SDIST, pack_sdist(SOURCE))
    index.add(UPSTREAM, packed(UPSTREAM, {**FILES, "demo_c.cpython-313-x86_64-linux-gnu.so": b"\x7fELF theirs"}))
    ours = {
        **FILES,
        "demo_c.cpython-313-x86_64-linux-gnu.so": b"\x7fELF ours",
        "demo.libs/libz-1234.so.1": b"\x7fELF z",
        f"{INFO}/sboms/wheelyard.cdx.json": b"{}",
    }
    comparison = await folder(NATIVE, packed(NATIVE, ours))
    assert comparison.unexplained == ()
    assert (comparison.other, comparison.sdist, comparison.is_identical) == (UPSTREAM, SDIST, False)
    assert comparison.identical_files == len(FILES) + 1
    assert told(comparison) == {
        "demo_c.cpython-313-x86_64-linux-gnu.so": ("file-changed", True),
        "demo.libs/libz-1234.so.1": ("file-from-nowhere", True),
        f"{INFO}/sboms/wheelyard.cdx.json": ("other-metadata", True),
    }


@pytest.mark.parametrize(
    ("members", "name", "kind"),
    [
        ({**FILES, "demo_extra.py": b"evil = 1\n"}, "demo_extra.py", "file-from-nowhere"),
        ({**FILES, "demo_extra.py": b"evil = 1\n"}, "demo_extra", "other-modules"),
        ({"demo.py": FILES["demo.py"]}, "demo_data/table.txt", "file-missing"),
        ({**FILES, "demo.py": b"answer = 43\n"}, "demo.py", "file-changed"),
        ({**FILES, "demo.pth": b"import demo_data\n"}, "demo.pth", "start-up-code"),
        ({**FILES, "sitecustomize.py": b"x = 1\n"}, "sitecustomize.py", "start-up-code"),
        (
            {**FILES, f"{INFO}/entry_points.txt": b"[console_scripts]\nrun=demo:main\n"},
            "console_scripts: run = demo:main",
            "other-entry-points",
        ),
    ],
)
async def test_what_an_honest_build_would_not_make_is_told(
    index: MemorySourceIndex, folder: Folder, members: Mapping[str, bytes], name: str, kind: str
) -> None:
    index.add(SDIST, pack_sdist(SOURCE))
    index.add(PURE, packed(PURE, FILES))
    comparison = await folder(PURE, packed(PURE, members))
    found = {(one.kind.value, one.name) for one in comparison.unexplained}
    assert (kind, name) in found


async def test_other_requirements_are_told_with_their_values(index: MemorySourceIndex, folder: Folder) -> None:
    index.add(PURE, packed(PURE, FILES, METADATA + b"Requires-Python: >=3.9\nRequires-Dist: idna\n"))
    ours = METADATA + b"Requires-Python: >=3.9\nRequires-Dist: idna\nRequires-Dist: evil>2\n"
    (one,) = (await folder(PURE, packed(PURE, FILES, ours))).unexplained
    assert (one.kind, one.name, one.text) == (DifferenceKind.REQUIREMENTS, "Requires-Dist", "this wheel has evil>2")


async def test_file_of_the_sdist_is_right_where_upstreams_wheel_has_another(
    index: MemorySourceIndex, folder: Folder
) -> None:
    index.add(SDIST, pack_sdist(SOURCE))
    index.add(PURE, packed(PURE, {**FILES, "demo.py": b"answer = 'poisoned'\n"}))
    comparison = await folder(PURE, packed(PURE, FILES))
    (changed,) = [one for one in comparison.differences if one.name == "demo.py"]
    assert changed.text == "it is the sdist's file; the other wheel has another content"
    assert changed.is_explained


async def test_file_that_no_source_has_is_told_of_upstreams_own_wheel_too(
    index: MemorySourceIndex, folder: Folder
) -> None:
    content = packed(PURE, {**FILES, "demo_extra.py": b"planted = 1\n"})
    index.add(SDIST, pack_sdist(SOURCE))
    index.add(PURE, content)
    comparison = await folder(PURE, content)
    assert comparison.is_identical
    assert told(comparison) == {"demo_extra.py": ("file-from-nowhere", False)}


async def test_file_that_two_builds_make_alike_is_explained(index: MemorySourceIndex, folder: Folder) -> None:
    made = {**FILES, "demo_version.py": b"version = '1.0'\n"}
    index.add(SDIST, pack_sdist(SOURCE))
    index.add(PURE, packed(PURE, made))
    comparison = await folder(PURE, packed(PURE, made, METADATA + b"Summary: Built again\n"))
    assert told(comparison) == {"demo_version.py": ("file-from-nowhere", True)}


@pytest.mark.parametrize(
    ("first", "found"), [(b"#!python\n", []), (b"#!/bin/sh -c 'curl evil'\n", ["demo-1.0.data/scripts/tool"])]
)
async def test_program_may_only_lose_its_first_line(
    index: MemorySourceIndex, folder: Folder, first: bytes, found: list[str]
) -> None:
    index.add(SDIST, pack_sdist({**SOURCE, "demo-1.0/scripts/tool": b"#!/usr/bin/env python3\nprint(1)\n"}))
    comparison = await folder(PURE, packed(PURE, {**FILES, "demo-1.0.data/scripts/tool": first + b"print(1)\n"}))
    assert comparison.other is None
    assert [one.name for one in comparison.unexplained] == found


async def test_without_anything_to_compare_with_it_says_so(index: MemorySourceIndex, folder: Folder) -> None:
    index.add("demo-2.0.tar.gz", b"another release")
    index.add("demo-1.0-cp313-cp313-win_amd64.whl", b"for another system")
    with pytest.raises(NotComparableError, match="neither an sdist of its release nor a wheel for such machines"):
        await folder(NATIVE, packed(NATIVE, FILES))


async def test_unknown_project_is_an_error_of_its_own(folder: Folder) -> None:
    with pytest.raises(UnknownProjectError):
        await folder(PURE, packed(PURE, FILES))


@pytest.mark.parametrize("content", [b"no zip at all", b"PK\x05\x06" + bytes(18), packed(PURE, FILES)[:-40]])
async def test_file_that_is_no_wheel_is_refused_in_words(folder: Folder, content: bytes) -> None:
    with pytest.raises(NotComparableError, match="cannot be compared"):
        await folder(PURE, content)


async def test_wheel_of_another_release_is_not_compared(compare: CompareWheel, folder: Folder) -> None:
    ours = folder.put(PURE, packed(PURE, FILES))
    name = "demo-2.0-py3-none-any.whl"
    theirs = folder.put(name, make_wheel(name, name="demo", version="2.0"))
    with pytest.raises(NotComparableError, match=r"demo-2.0-py3-none-any.whl is of another release"):
        await compare(ours, other=theirs)


def zipped(members: Mapping[str, bytes], *, time: tuple[int, int, int, int, int, int] = (2020, 1, 1, 0, 0, 0)) -> bytes:
    """Zip members in their order, with one time."""
    whole = packed(PURE, members)
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as made, zipfile.ZipFile(buffer, "w") as bundle:
        for info in made.infolist():
            bundle.writestr(zipfile.ZipInfo(info.filename, time), made.read(info))
    return buffer.getvalue()


async def test_exact_comparison_tells_how_the_archives_differ(
    index: MemorySourceIndex, compare: CompareWheel, folder: Folder, tmp_path: Path
) -> None:
    index.add(SDIST, pack_sdist(SOURCE))
    (tmp_path / "other").mkdir()
    theirs = tmp_path / "other" / PURE
    theirs.write_bytes(zipped(dict(sorted(FILES.items(), reverse=True)), time=(2021, 2, 2, 0, 0, 0)))
    ours = folder.put(PURE, zipped(FILES))
    comparison = await compare(ours, other=theirs, exact=True)
    archive = {one.name: one.text for one in comparison.unexplained if one.kind is DifferenceKind.ARCHIVE}
    assert archive.keys() == {"order", "times"}
    assert archive["times"].startswith("5 of 5 files differ in it")
    theirs.write_bytes(ours.read_bytes())
    assert (await compare(ours, other=theirs, exact=True)).differences == ()


def elf(sections: Mapping[str, bytes]) -> bytes:
    """Make a little ELF file of these sections."""
    names = b"\0" + b"".join(name.encode() + b"\0" for name in (*sections, ".shstrtab"))
    body, rows = b"", [bytes(64)]
    for name, content in (*sections.items(), (".shstrtab", names)):
        at = names.index(b"\0" + name.encode() + b"\0") + 1
        rows.append(struct.pack("<2I4Q2I2Q", at, 1, 0, 0, 64 + len(body), len(content), 0, 0, 1, 0))
        body += content
    head = struct.pack(
        "<16s2HI3QI6H",
        b"\x7fELF\x02\x01\x01",
        3,
        62,
        1,
        0,
        0,
        64 + len(body),
        0,
        64,
        0,
        0,
        64,
        len(rows),
        len(rows) - 1,
    )
    return head + body + b"".join(rows)


CODE: Final = {".text": b"\x90\xc3", ".rodata": b"hello", ".note.gnu.build-id": b"1111"}


@pytest.mark.parametrize(
    ("content", "other", "text"),
    [
        (elf(CODE), elf({**CODE, ".note.gnu.build-id": b"2222"}), "only its build id differs"),
        (elf(CODE), elf({**CODE, ".text": b"\xcc\xc3"}), "its machine code differs, in .text"),
        (elf(CODE), elf({**CODE, ".rodata": b"Dec  3"}), "its data differ, in .rodata"),
        (
            elf(CODE),
            elf({**CODE, ".rodata": b"/scratch/x"}),
            "it has paths of the build in it (/scratch/); these sections differ: .rodata",
        ),
        (b"a\nb\n", b"b\na\n", "the same lines, in another order"),
        (b"a\nb\n", b"a\nc\n", "line 2 is 'b' and 'c'"),
        (b"a\n", b"a\nb\n", "it has 1 and 2 lines"),
        (b"\xff\x00\x01", b"\xff\x00\x02", "its bytes differ from byte 2 on (3 and 3 bytes)"),
        (b"\xff", b"\xff\x00", "its bytes differ in its length (1 and 2 bytes)"),
    ],
)
def test_reason_names_what_differs(content: bytes, other: bytes, text: str) -> None:
    assert why_differ(content, other) == text


@pytest.mark.parametrize("cut", range(0, 600, 7))
def test_elf_file_that_ends_early_or_lies_is_only_bytes(cut: int) -> None:
    whole = elf(CODE)
    assert why_differ(whole[:cut] + b"\xff", whole)
    lying = bytearray(whole)
    lying[cut % len(lying)] ^= 0xFF
    assert why_differ(bytes(lying), whole)


@pytest.mark.parametrize(
    ("path", "module"),
    [
        ("demo/__init__.py", "demo"),
        ("demo/_c.cpython-313-x86_64-linux-gnu.so", "demo._c"),
        ("demo/_c.abi3.so", "demo._c"),
        ("demo-1.0.data/purelib/demo.py", "demo"),
        ("demo-1.0.data/scripts/tool.py", None),
        ("demo.libs/libz.so.1", None),
        ("demo/data.txt", None),
        ("demo-1.0.dist-info/METADATA", None),
    ],
)
def test_modules_have_one_name_whatever_their_file_is(path: str, module: str | None) -> None:
    assert module_of(path) == module


@pytest.mark.parametrize(
    ("wheel", "nearest"),
    [
        ("demo-1.0-1.x-cp313-cp313-manylinux_2_36_x86_64.whl", "demo-1.0-cp313-cp313-manylinux_2_28_x86_64.whl"),
        ("demo-1.0-cp313-cp313-linux_aarch64.whl", "demo-1.0-cp313-cp313-manylinux_2_28_aarch64.whl"),
        ("demo-1.0-cp312-cp312-manylinux_2_28_x86_64.whl", "demo-1.0-cp311-abi3-manylinux_2_28_x86_64.whl"),
        ("demo-1.0-py3-none-any.whl", "demo-1.0-py3-none-any.whl"),
    ],
)
def test_nearest_wheel_is_that_of_the_same_python_and_machine(wheel: str, nearest: str) -> None:
    names = (
        *("demo-1.0-cp313-cp313-manylinux_2_28_x86_64.whl", "demo-1.0-cp313-cp313-manylinux_2_28_aarch64.whl"),
        *("demo-1.0-cp311-abi3-manylinux_2_28_x86_64.whl", "demo-1.0-cp313-cp313-win_amd64.whl"),
        *("demo-1.0-py3-none-any.whl", "demo-1.0-cp313-cp313-musllinux_1_2_x86_64.whl"),
    )
    found = nearest_wheel(wheel, [_file(name) for name in names])
    assert found is not None
    assert found.filename == nearest


def _file(name: str) -> IndexFile:
    digest = hashlib.sha256(name.encode()).hexdigest()
    return IndexFile(filename=name, url=f"memory:{name}", sha256=digest, kind="wheel", version=Version("1.0"))
