"""Sdists are read on the host as data: what they hold is found, and a hostile one costs little and reaches nothing."""

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from wheelyard.adapters.resolver import sdists
from wheelyard.adapters.resolver.sdists import read_needs, read_sdist
from wheelyard.errors import InvalidSdistError


def tar_of(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def refusal_of(archive: Path) -> str:
    with pytest.raises(InvalidSdistError) as caught:
        read_sdist(archive, filename=archive.name)
    return caught.value.reason


def test_names_are_those_below_the_top_folder_and_only_telling_texts_are_read(tmp_path: Path) -> None:
    members = {
        "demo-1/setup.py": b"x",
        "demo-1/native/a.c": b"c",
        "demo-1/tests/CMakeLists.txt": b"t",
        "demo-1/vendor/b.c": b"b",
        "demo-1/demo/plain.py": b"p",
        "demo-1/native/run.py": b"ffi.set_source('a', None)",
    }
    contents = read_sdist(tar_of(tmp_path / "demo-1.tar.gz", members), filename="demo-1.tar.gz")
    assert contents.names == tuple(name.removeprefix("demo-1/") for name in members)
    assert dict(contents.texts) == {
        "setup.py": "x",
        "native/a.c": "c",
        "native/run.py": "ffi.set_source('a', None)",
    }
    assert contents.built_names() == ("setup.py", "native/a.c", "vendor/b.c", "native/run.py")


def test_zip_file_is_read_too(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "demo-1.zip", "w") as bundle:
        bundle.writestr("demo-1/sub/", "")
        bundle.writestr("demo-1/meson.build", "project('demo')")
    contents = read_sdist(tmp_path / "demo-1.zip", filename="demo-1.zip")
    assert (contents.names, contents.text("meson.build")) == (("meson.build",), "project('demo')")


@pytest.mark.parametrize(
    "content", [b"", b"no archive", gzip.compress(b"no tar file"), gzip.compress(b"x" * 2000)[:-9]]
)
def test_broken_archive_is_a_fault_of_the_sdist(tmp_path: Path, content: bytes) -> None:
    for name in ("demo-1.tar.gz", "demo-1.zip"):
        (tmp_path / name).write_bytes(content)
        assert "it cannot be read" in refusal_of(tmp_path / name)


def test_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret")
    with tarfile.open(tmp_path / "demo-1.tar.gz", "w:gz") as tar:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
            link = tarfile.TarInfo("demo-1/setup.py")
            link.type, link.linkname = kind, str(tmp_path / "secret")
            tar.addfile(link)
    contents = read_sdist(tmp_path / "demo-1.tar.gz", filename="demo-1.tar.gz")
    assert (contents.names, contents.texts) == ((), {})


def test_header_that_announces_a_large_extension_is_refused_unread(tmp_path: Path) -> None:
    info = tarfile.TarInfo("demo-1/setup.py")
    info.type, info.size = tarfile.XHDTYPE, 1 << 32
    (tmp_path / "demo-1.tar.gz").write_bytes(gzip.compress(info.tobuf() + bytes(10240)))
    assert "a member's headers have more than 16 KiB" in refusal_of(tmp_path / "demo-1.tar.gz")


def test_headers_of_all_members_are_limited_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sdists._BoundedGzip, "_left", 10_000)
    archive = tar_of(tmp_path / "demo-1.tar.gz", {f"demo-1/{number}/{'x' * 2000}": b"" for number in range(5)})
    assert "its members' headers have more than 8 MiB" in refusal_of(archive)


def test_archive_that_grows_without_measure_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sdists, "_MAX_BYTES", 1 << 20)
    archive = tar_of(tmp_path / "demo-1.tar.gz", {"demo-1/a": bytes(2 << 20), "demo-1/b": b""})
    assert "when it is decompressed" in refusal_of(archive)


def test_archive_of_too_many_members_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sdists, "_MAX_MEMBERS", 3)
    members = {f"demo-1/{number}": b"" for number in range(4)}
    assert "it has more than 3 members" in refusal_of(tar_of(tmp_path / "demo-1.tar.gz", members))
    with zipfile.ZipFile(tmp_path / "demo-1.zip", "w") as bundle:
        for name in members:
            bundle.writestr(name, "")
    assert "it has more than 3 members" in refusal_of(tmp_path / "demo-1.zip")


def test_long_text_is_cut(tmp_path: Path) -> None:
    members = {"demo-1/setup.py": b"x" * ((1 << 20) + 5), "demo-1/pyproject.toml": b"[a]"}
    contents = read_sdist(tar_of(tmp_path / "demo-1.tar.gz", members), filename="demo-1.tar.gz")
    assert (len(contents.text("setup.py")), contents.text("pyproject.toml")) == (1 << 20, "[a]")


def test_many_long_texts_are_not_all_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sdists, "_MAX_TEXTS", 1000)
    members = {f"demo-1/{number}/meson.build": b"x" * 600 for number in range(4)}
    contents = read_sdist(tar_of(tmp_path / "demo-1.tar.gz", members), filename="demo-1.tar.gz")
    assert (len(contents.names), len(contents.texts)) == (4, 2)


def test_sources_are_cut_and_limited_in_number_and_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sdists, "_MAX_SOURCES", 3)
    monkeypatch.setattr(sdists, "_MAX_CODE", 100)
    members = {f"demo-1/{number}.c": b"x" * 600 for number in range(5)}
    archive = tar_of(tmp_path / "demo-1.tar.gz", {**members, "demo-1/setup.py": b"y"})
    contents = read_sdist(archive, filename="demo-1.tar.gz")
    assert {name: len(text) for name, text in contents.texts.items()} == {
        "0.c": 100,
        "1.c": 100,
        "2.c": 100,
        "setup.py": 1,
    }
    monkeypatch.setattr(sdists, "_MAX_CODES", 150)
    assert len(read_sdist(archive, filename="demo-1.tar.gz").texts) == 3


def test_needs_are_read_from_the_archive(tmp_path: Path) -> None:
    members = {
        "demo-1/setup.py": b"setup(ext_modules=[Extension('demo', ['demo.c'])])",
        "demo-1/demo.c": b"#include <fftw3.h>",
    }
    (need,) = read_needs(tar_of(tmp_path / "demo-1.tar.gz", members))
    assert (need.name, need.is_required, need.place) == ("fftw3.h", True, "demo.c:1")


def test_sdist_that_cannot_be_read_has_no_known_needs(tmp_path: Path) -> None:
    (tmp_path / "demo-1.tar.gz").write_bytes(b"no archive")
    assert read_needs(tmp_path / "demo-1.tar.gz") == ()
