"""Unpacking a hostile archive: into one folder or not at all, with a time that a wheel can hold."""

import io
import tarfile
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from wheelyard_agent.job import JobError
from wheelyard_agent.sdist import unpack_sdist

BEFORE_ZIP = 315532800  # 1980-01-01
DAY = 1_600_000_000


def member(name: str, *, mtime: float = DAY, **fields: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for field, value in {"mtime": mtime, **fields}.items():
        setattr(info, field, value)
    return info


def tar_of(folder: Path, *members: tuple[tarfile.TarInfo, bytes], plain: bool = True) -> Path:
    """Make demo-1.0.tar.gz with these members, behind an ordinary one."""
    archive = folder / "demo-1.0.tar.gz"
    with tarfile.open(archive, "w:gz", format=tarfile.PAX_FORMAT) as tar:
        for info, content in ([(member("demo-1.0/setup.py"), b"setup()")] if plain else []) + list(members):
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return archive


def zip_of(folder: Path, members: Mapping[str, bytes], date: tuple[int, ...] = (2020, 9, 13, 12, 26, 40)) -> Path:
    archive = folder / "demo-1.0.zip"
    with zipfile.ZipFile(archive, "w") as bundle:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.date_time = (date[0], date[1], date[2], date[3], date[4], date[5])
            bundle.writestr(info, content)
    return archive


def refusal(archive: Path, where: Path) -> str:
    with pytest.raises(JobError) as caught:
        unpack_sdist(archive, where)
    assert caught.value.code == "invalid-sdist"
    return str(caught.value.details["reason"])


def outside(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"src", "demo-1.0.tar.gz", "demo-1.0.zip"}


def test_tar_gz_is_unpacked_with_its_newest_time(tmp_path: Path) -> None:
    archive = tar_of(tmp_path, (member("demo-1.0/a.py", mtime=DAY + 10), b"a"), (member("demo-1.0/b.py"), b"b"))
    assert unpack_sdist(archive, tmp_path / "src") == (tmp_path / "src" / "demo-1.0", DAY + 10)
    assert (tmp_path / "src" / "demo-1.0" / "a.py").read_bytes() == b"a"


def test_zip_is_unpacked_with_its_newest_time_and_keeps_it(tmp_path: Path) -> None:
    source, epoch = unpack_sdist(zip_of(tmp_path, {"demo-1.0/setup.py": b"setup()"}), tmp_path / "src")
    assert (source, epoch) == (tmp_path / "src" / "demo-1.0", DAY)
    assert (source / "setup.py").stat().st_mtime == DAY


@pytest.mark.parametrize("mtime", [0, 1, BEFORE_ZIP - 1])
def test_time_before_zip_files_is_their_earliest(tmp_path: Path, mtime: int) -> None:
    archive = tar_of(tmp_path, (member("demo-1.0/a", mtime=mtime), b""), plain=False)
    assert unpack_sdist(archive, tmp_path / "src")[1] == BEFORE_ZIP


def test_time_to_come_is_now(tmp_path: Path) -> None:
    archive = tar_of(tmp_path, (member("demo-1.0/a", mtime=time.time() + 1e6), b""))
    assert unpack_sdist(archive, tmp_path / "src")[1] <= time.time()


@pytest.mark.parametrize("mtime", [1e300, float("nan"), float("inf")])
def test_time_that_no_clock_shows_is_refused(tmp_path: Path, mtime: float) -> None:
    info = member("demo-1.0/a")
    info.pax_headers = {"mtime": str(mtime)}
    assert "cannot be unpacked" in refusal(tar_of(tmp_path, (info, b"")), tmp_path / "src")


@pytest.mark.parametrize("name", ["../escaped", "demo-1.0/../../escaped"])
def test_member_outside_of_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    assert "cannot be unpacked" in refusal(tar_of(tmp_path, (member(name), b"x")), tmp_path / "src")
    assert outside(tmp_path) == set()


@pytest.mark.parametrize("name", ["../escaped", "demo-1.0/../../escaped"])
def test_zip_member_outside_of_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    archive = zip_of(tmp_path, {"demo-1.0/setup.py": b"", name: b"x"})
    assert "leads outside of its folder" in refusal(archive, tmp_path / "src")
    assert outside(tmp_path) == set()


def test_absolute_name_stays_inside(tmp_path: Path) -> None:
    name = str(tmp_path / "escaped")
    assert "2 top-level folders" in refusal(tar_of(tmp_path, (member(name), b"x")), tmp_path / "src")
    assert outside(tmp_path) == set()


@pytest.mark.parametrize(
    "fields",
    [
        {"type": tarfile.SYMTYPE, "linkname": "../../escaped"},
        {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"},
        {"type": tarfile.LNKTYPE, "linkname": "../escaped"},
        {"type": tarfile.LNKTYPE, "linkname": "demo-1.0/not-there"},
        {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3},
        {"type": tarfile.BLKTYPE},
        {"type": tarfile.FIFOTYPE},
    ],
)
def test_link_that_leads_out_and_device_are_refused(tmp_path: Path, fields: Mapping[str, object]) -> None:
    archive = tar_of(tmp_path, (member("demo-1.0/special", **fields), b""))  # type: ignore[arg-type]
    assert "cannot be unpacked" in refusal(archive, tmp_path / "src")


def test_link_inside_of_the_folder_is_kept(tmp_path: Path) -> None:
    link = member("demo-1.0/link", type=tarfile.SYMTYPE, linkname="setup.py")
    source, _ = unpack_sdist(tar_of(tmp_path, (link, b"")), tmp_path / "src")
    assert (source / "link").read_text() == "setup()"


def test_more_or_fewer_than_one_folder_are_refused(tmp_path: Path) -> None:
    two = tar_of(tmp_path, (member("other/a"), b""))
    assert refusal(two, tmp_path / "src") == "it holds 2 top-level folders instead of one"
    none = tar_of(tmp_path, (member("setup.py"), b""), plain=False)
    assert refusal(none, tmp_path / "other") == "it holds 0 top-level folders instead of one"


def test_file_beside_the_folder_is_no_harm(tmp_path: Path) -> None:
    archive = tar_of(tmp_path, (member("pax_global_header"), b""))
    assert unpack_sdist(archive, tmp_path / "src")[0].name == "demo-1.0"


@pytest.mark.parametrize("cut", [0, 1, 10, 40, 60])
@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
def test_truncated_archive_is_refused(tmp_path: Path, kind: str, cut: int) -> None:
    made = tar_of(tmp_path) if kind == "tar.gz" else zip_of(tmp_path, {"demo-1.0/setup.py": b"setup()"})
    made.write_bytes(made.read_bytes()[:cut])
    assert refusal(made, tmp_path / "src")


@pytest.mark.parametrize("name", ["demo-1.0.tar.gz", "demo-1.0.zip"])
@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"\0" * 2048, b"PK\x03\x04" + b"\xff" * 100])
def test_file_that_is_no_archive_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert refusal(tmp_path / name, tmp_path / "src")
