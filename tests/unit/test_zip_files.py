"""Zip files of strangers: how large their directory is, is known before it costs memory."""

import io
import struct
import zipfile
from pathlib import Path

import pytest

from wheelyard import zip_files
from wheelyard.zip_files import open_zip

END = struct.Struct("<4s4H2LH")


def zip_of(folder: Path, members: int) -> Path:
    path = folder / "demo.zip"
    with zipfile.ZipFile(path, "w") as bundle:
        for number in range(members):
            bundle.writestr(f"member-{number}", b"content")
    return path


def test_sound_file_is_opened_and_its_members_are_read_whole(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "demo.zip", "w") as bundle:
        bundle.writestr("large", bytes(1 << 20))
        bundle.comment = b"a comment at the end"
    with open_zip(tmp_path / "demo.zip") as bundle:
        assert len(bundle.read("large")) == 1 << 20


def test_directory_that_is_too_large_is_refused_unread(tmp_path: Path) -> None:
    size = 64 << 20
    with (tmp_path / "demo.zip").open("wb") as file:
        file.truncate(size)
        file.seek(size)
        file.write(END.pack(b"PK\x05\x06", 0, 0, 1, 1, size, 0, 0))
    with pytest.raises(ValueError, match=f"it lists its members in {size} bytes"), open_zip(tmp_path / "demo.zip"):
        pass


def test_members_are_counted_before_one_is_made_whatever_the_file_says_of_their_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = zip_of(tmp_path, 4)
    content = io.BytesIO(path.read_bytes())
    content.seek(-END.size, io.SEEK_END)
    *_, size, offset, _ = END.unpack(content.read())
    content.seek(-END.size, io.SEEK_END)
    content.write(END.pack(b"PK\x05\x06", 0, 0, 1, 1, size, offset, 0))
    path.write_bytes(content.getvalue())
    monkeypatch.setattr(zip_files, "MAX_MEMBERS", 3)
    monkeypatch.delattr(zipfile, "ZipInfo")
    with pytest.raises(ValueError, match="it has 4 members, and 3 are allowed"), open_zip(path):
        pass


def test_broken_file_is_zipfiles_own_error(tmp_path: Path) -> None:
    (tmp_path / "demo.zip").write_bytes(b"no zip file")
    with pytest.raises(zipfile.BadZipFile), open_zip(tmp_path / "demo.zip"):
        pass
