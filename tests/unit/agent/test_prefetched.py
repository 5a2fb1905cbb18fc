"""Files that a recipe adds to an sdist: placed or unpacked inside of it, and nowhere else."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from wheelyard_agent.job import JobError
from wheelyard_agent.prefetched import place_sources


def tar_of(name: str, *, mode: str = "w:xz") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tar:  # type: ignore[call-overload]  # the mode is a parameter here
        member = tarfile.TarInfo(name)
        member.size = 5
        tar.addfile(member, io.BytesIO(b"hello"))
    return buffer.getvalue()


def zip_of(name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as bundle:
        bundle.writestr(name, "hello")
    return buffer.getvalue()


def placed(folder: Path, content: bytes, to: str) -> Path:
    """Place a file; return the source folder, which has a file, a folder and two links that lead out."""
    source, inbox = folder / "src", folder / "in"
    (source / "vendor").mkdir(parents=True)
    (source / "old.txt").write_text("old")
    (source / "away").symlink_to(folder)
    (source / "file-away").symlink_to(folder / "outside.txt")
    inbox.mkdir()
    (inbox / "source-0").write_bytes(content)
    one = {"file": "source-0", "url": "https://files.example/x", "to": to}
    place_sources([one], inbox=inbox, source=source)
    return source


def test_file_is_placed_as_it_is_even_if_it_is_an_archive(tmp_path: Path) -> None:
    content = tar_of("demo/a.c")
    assert (placed(tmp_path, content, "vendor/new/demo.tar.xz") / "vendor/new/demo.tar.xz").read_bytes() == content


def test_file_takes_the_place_of_one_that_the_sdist_has(tmp_path: Path) -> None:
    assert (placed(tmp_path, b"new", "old.txt") / "old.txt").read_bytes() == b"new"


@pytest.mark.parametrize("content", [tar_of("demo/a.c"), tar_of("demo/a.c", mode="w:gz"), zip_of("demo/a.c")])
def test_archive_is_unpacked_into_a_folder_that_ends_with_a_slash(tmp_path: Path, content: bytes) -> None:
    assert (placed(tmp_path, content, "third_party/x/") / "third_party/x/demo/a.c").read_text() == "hello"
    assert list((tmp_path / "in").iterdir()) == []


@pytest.mark.parametrize(
    ("content", "to", "reason"),
    [
        (b"no archive", "vendor/", "could not be opened"),
        (b"PK\x03\x04 no zip", "vendor/", "not a zip file"),
        (tar_of("../../outside.txt"), "vendor/", "outside the destination"),
        (b"x", "vendor", "vendor is a folder of the sdist"),
        (b"x", "away/outside.txt", "a link of the sdist leads out of it"),
        (b"x", "file-away", "a link of the sdist leads out of it"),
    ],
)
def test_what_cannot_be_placed_inside_the_sdist_is_refused(
    tmp_path: Path, content: bytes, to: str, reason: str
) -> None:
    with pytest.raises(JobError) as caught:
        placed(tmp_path, content, to)
    assert (caught.value.code, caught.value.details["to"]) == ("source-unusable", to)
    assert reason in caught.value.details["reason"]
    assert not (tmp_path / "outside.txt").exists()


def test_zip_with_a_path_that_leads_out_is_refused(tmp_path: Path) -> None:
    with pytest.raises(JobError) as caught:
        placed(tmp_path, zip_of("../../outside.txt"), "vendor/")
    assert caught.value.code == "source-unusable"
    assert not (tmp_path / "outside.txt").exists()
