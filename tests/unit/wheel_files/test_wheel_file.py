"""A wheel as untrusted data: what does not agree with the order, or with itself, is refused by name."""

import errno
import hashlib
import io
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from packaging.tags import Tag
from packaging.utils import canonicalize_name
from packaging.version import Version
from tests.unit.pipeline_harness import NATIVE, NATIVE_REPAIRED, PURE, PURE_TAGGED, make_wheel, order_for, pack_wheel

from wheelyard.domain.packaging.wheel_contents import WheelContents
from wheelyard.domain.untrusted.metadata import parse_metadata
from wheelyard.errors import HashMismatchError
from wheelyard.wheel_files.reader import RefusedWheelError, WheelFile, check_wheel, read_wheel, tag_of

METADATA = "demo-1.0.dist-info/METADATA"
PLAIN = b"Metadata-Version: 2.4\nName: demo\nVersion: 1.0\n"


def read(folder: Path, content: bytes, filename: str = PURE) -> WheelFile:
    (folder / filename).write_bytes(content)
    return check_wheel(folder / filename, order_for())


def zipped(*members: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, content in members:
            bundle.writestr(name, content)
    return buffer.getvalue()


def encrypted(content: bytes) -> bytes:
    """Set the bit that says that members are encrypted."""
    return b"".join(
        content[place:stop] if number == 0 else content[place : place + 8] + b"\x01" + content[place + 9 : stop]
        for number, (place, stop) in enumerate(_central_entries(content))
    )


def _central_entries(content: bytes) -> list[tuple[int, int]]:
    places = [place for place in range(len(content)) if content[place : place + 4] == b"PK\x01\x02"]
    return list(zip([0, *places], [*places, len(content)], strict=True))


def test_wheel_that_was_ordered_is_described(tmp_path: Path) -> None:
    content = make_wheel(requires=["idna>=3", "colorama; os_name == 'nt'"])
    wheel = read(tmp_path, content)
    text = PLAIN + b"Requires-Dist: idna>=3\nRequires-Dist: colorama; os_name == 'nt'\n"
    with zipfile.ZipFile(tmp_path / PURE) as bundle:
        contents = WheelContents.of(bundle.infolist())
    assert wheel == WheelFile(
        filename=PURE,
        project=canonicalize_name("demo"),
        version=Version("1.0"),
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        build_tag=(),
        tags=frozenset({Tag("py3", "none", "any")}),
        metadata=text,
        core=parse_metadata(text),
        contents=contents,
    )
    assert wheel.requires_dist == ("idna>=3", "colorama; os_name == 'nt'")


def test_open_file_is_read_as_a_path_is_and_stays_open(tmp_path: Path) -> None:
    content = make_wheel()
    file = io.BytesIO(content)
    assert check_wheel(file, order_for(), filename=PURE) == read(tmp_path, content)
    assert read_wheel(file, filename=PURE) == read_wheel(tmp_path / PURE)
    assert not file.closed


def test_wheel_that_nobody_ordered_is_held_against_its_own_name() -> None:
    filename = "other-2.0-py3-none-any.whl"
    wheel = check_wheel(io.BytesIO(make_wheel(filename, name="other", version="2.0")), filename=filename)
    assert (wheel.project, str(wheel.version)) == ("other", "2.0")
    with pytest.raises(RefusedWheelError, match=r"METADATA says demo 1.0, but other 2.0 is in its file name"):
        check_wheel(io.BytesIO(make_wheel(filename)), filename=filename)


def test_wheel_with_other_bytes_than_promised_is_not_read() -> None:
    with pytest.raises(HashMismatchError):
        read_wheel(io.BytesIO(b"no zip file"), filename=PURE, sha256="0" * 64)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (zipped((METADATA, b"x" * ((4 << 20) + 1))), "its METADATA has 4194305 bytes; 4194304 are allowed"),
        (zipped(("demo.py", b"")), "it has 0 METADATA files instead of one"),
        (make_wheel(name="other"), "another release than its file name"),
        (make_wheel(version="newest"), "is not a version"),
        (b"no zip file", "not a zip file that can be read"),
        (zipped((METADATA, PLAIN)).replace(b"demo-1.0.dist-info", b"demo-1.0.dist-inf\xff"), "it has 0 METADATA files"),
    ],
    ids=range(6),
)
def test_wheel_that_says_nothing_sound_of_itself_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(RefusedWheelError, match=said):
        read_wheel(io.BytesIO(content), filename=PURE)


def test_members_are_checked_before_anything_is_unpacked_where_that_is_asked_for() -> None:
    content = zipped((METADATA, PLAIN), ("../../evil.py", b""))
    assert read_wheel(io.BytesIO(content), filename=PURE).contents.total == 2
    with pytest.raises(RefusedWheelError, match=r"evil"):
        read_wheel(io.BytesIO(content), filename=PURE, bounded=True)


class BrokenDisk(io.BytesIO):
    """A file whose bytes can be hashed once, and then no more be read."""

    fault = 0

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_END and self.fault:
            raise OSError(self.fault, "the disk says so")
        return super().seek(offset, whence)


@pytest.mark.parametrize(("fault", "raised"), [(errno.EIO, OSError), (errno.EINVAL, RefusedWheelError)])
def test_fault_of_the_disk_is_not_the_wheels(fault: int, raised: type[Exception]) -> None:
    file = BrokenDisk(make_wheel())
    file.fault = fault
    with pytest.raises(raised) as caught:
        read_wheel(file, filename=PURE)
    assert type(caught.value) is raised


def test_build_tag_and_every_platform_tag_are_read(tmp_path: Path) -> None:
    wheel = read(tmp_path, make_wheel(NATIVE_REPAIRED), NATIVE_REPAIRED)
    assert (wheel.build_tag, len(wheel.tags)) == ((1, ".bookworm"), 2)


@pytest.mark.parametrize(
    "filename",
    [
        "demo-1.0-cp39-abi3-linux_x86_64.whl",
        "demo-1.0-cp39.cp313-abi3-linux_x86_64.whl",
        "demo-1.0-py2.py3-none-any.whl",
        "demo-1.0-py2.py3-none-linux_x86_64.whl",
    ],
)
def test_wheel_may_claim_what_its_target_accepts_and_what_has_no_abi(tmp_path: Path, filename: str) -> None:
    assert read(tmp_path, make_wheel(filename), filename).tags


@pytest.mark.parametrize("name", ["Demo", "DEMO"])
def test_name_in_another_spelling_is_the_same_project(tmp_path: Path, name: str) -> None:
    assert read(tmp_path, make_wheel(name=name, version="1.0.0")).requires_dist == ()


@pytest.mark.parametrize(
    ("filename", "said"),
    [
        ("other-1.0-py3-none-any.whl", "says other 1.0, but demo 1.0 was ordered"),
        ("demo-1.1-py3-none-any.whl", "says demo 1.1, but demo 1.0 was ordered"),
        ("demo-1.0+local-py3-none-any.whl", r"says demo 1.0\+local, but demo 1.0 was ordered"),
        ("demo-1.0-cp312-cp312-linux_x86_64.whl", "does not fit Python 3.13"),
        ("demo-1.0-cp313-cp313t-linux_x86_64.whl", "does not fit Python 3.13"),
        ("demo-1.0-cp313-cp313-win_amd64.whl", "does not fit Python 3.13"),
        ("demo-1.0-cp313-cp313-musllinux_1_2_x86_64.whl", "does not fit Python 3.13"),
        ("demo-1.0-cp313-cp313-manylinux_2_39_x86_64.whl", "does not fit Python 3.13"),
        ("demo-1.0-py2-none-any.whl", "does not fit Python 3.13"),
        ("demo-1.0-cp311.cp313-cp311.cp313-linux_x86_64.whl", "claims cp311-cp311-linux_x86_64, which a build"),
        ("demo-1.0-cp313.cp314-abi3-linux_x86_64.whl", "claims cp314-abi3-linux_x86_64"),
        ("demo-1.0-cp312.cp313-none-linux_x86_64.whl", "claims cp312-none-linux_x86_64"),
        ("demo-1.0-cp313-cp313-linux_x86_64.musllinux_1_2_x86_64.whl", "claims cp313-cp313-musllinux_1_2_x86_64"),
        ("demo-1.0-py3-none-any.win_amd64.whl", "claims py3-none-win_amd64"),
        ("demo-1.0.whl", "[Ii]nvalid wheel filename"),
        ("demo-1.0-py3-none-any.zip", "[Ii]nvalid wheel filename"),
    ],
)
def test_file_name_that_was_not_ordered_is_refused(tmp_path: Path, filename: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read(tmp_path, make_wheel(), filename)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (make_wheel(name="other"), "METADATA says other 1.0"),
        (make_wheel(version="2.0"), "METADATA says demo 2.0"),
        (make_wheel(version="newest"), "METADATA has no valid version"),
        (zipped((METADATA, b"Name: demo\n")), "METADATA has no valid version"),
        (zipped((METADATA, b"Version: 1.0\n")), "METADATA says  1.0"),
        (zipped((METADATA, b"")), "METADATA has no valid version"),
        (zipped((METADATA, b"\xff\x00\xfe" * 100)), "METADATA has no valid version"),
        (zipped(("demo.py", b"")), "it has 0 .dist-info folders instead of one"),
        (zipped(("demo-1.0.dist-info/licenses/METADATA", PLAIN)), "it has 0 METADATA files"),
        (zipped((METADATA, PLAIN), ("other-1.0.dist-info/METADATA", PLAIN)), "it has 2 .dist-info folders"),
        (zipped((METADATA, b"x" * ((4 << 20) + 1))), "its METADATA has 4194305 bytes; 4194304 are allowed"),
        (b"", "not a zip file that can be read"),
        (b"no zip file", "not a zip file that can be read"),
        (make_wheel()[:-30], "not a zip file that can be read"),
        (make_wheel().replace(b"PK\x03\x04", b"PK\x00\x00"), "not a zip file that can be read"),
        (encrypted(make_wheel()), "has another name or kind in its header than in the directory"),
    ],
    ids=range(16),
)  # fmt: skip
def test_content_that_was_not_ordered_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read(tmp_path, content)


RECORD = "demo-1.0.dist-info/RECORD"
WHEEL = "demo-1.0.dist-info/WHEEL"


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({RECORD: b",,\n" * 1_000_000}, "its RECORD lists '', which it does not have"),
        (
            {RECORD: b"".join(b"%d,,\n" % number for number in range(1_000_000))},
            "its RECORD lists '0', which it does not have",
        ),
        ({RECORD: b"," * 10_000_000}, "its RECORD has a line of more than 4096 characters"),
        ({RECORD: b'"' + b"\n" * 10_000_000}, "its RECORD (cannot be read|has a line)"),
        ({WHEEL: b"Tag: " + b"-" * 100_000}, "its WHEEL has 100005 bytes; 65536 are allowed"),
        ({"demo-1.0.dist-info/entry_points.txt": b"a" * 2_000_000}, "entry_points.txt has 2000000 bytes"),
        ({f"{'d/' * 100}x.py": b""}, "is below more than 100 folders"),
        ({f"{number}.pth": b"" for number in range(51)}, "it has 51 .pth and .start files, and 50 are allowed"),
    ],
)
def test_wheel_that_would_cost_more_than_its_size_is_refused(
    tmp_path: Path, members: dict[str, bytes], said: str
) -> None:
    content = pack_wheel(PURE, {"demo.py": b"", METADATA: PLAIN, **members})
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=said):
            read(tmp_path, content)
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("compression", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_compression_that_not_every_installer_knows_is_refused(tmp_path: Path, compression: int) -> None:
    buffer = io.BytesIO(make_wheel())
    with zipfile.ZipFile(buffer, "a", compression) as bundle:
        bundle.writestr("more.py", b"x")
    with pytest.raises(ValueError, match=r"'more\.py' is compressed in a way that not every installer knows"):
        read(tmp_path, buffer.getvalue())


def test_wheel_of_too_many_members_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wheelyard.wheel_files.members.MAX_MEMBERS", 3)
    with pytest.raises(ValueError, match="it has 4 members, and 3 are allowed"):
        read(tmp_path, make_wheel())


def test_metadata_of_another_name_beside_the_right_one_does_not_count(tmp_path: Path) -> None:
    members = {METADATA: PLAIN, "demo/dist-info/METADATA": b"no", "METADATA": b"no"}
    content = pack_wheel(PURE, members)
    assert read(tmp_path, content).requires_dist == ()


@pytest.mark.parametrize(
    ("filename", "tag"),
    [
        (PURE, "py3-none-any"),
        (PURE_TAGGED, "py3-none-any"),
        (NATIVE, "cp313-cp313-linux_x86_64"),
        (NATIVE_REPAIRED, "cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64"),
    ],
)
def test_tag_is_as_the_file_name_has_it(filename: str, tag: str) -> None:
    assert tag_of(Path(filename)) == tag
