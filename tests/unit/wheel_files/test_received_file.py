"""A file while it is received: bounded, hashed, and gone when it is closed."""

import hashlib
from pathlib import Path

import pytest

from wheelyard.errors import DiskFullError, UploadTooLargeError
from wheelyard.wheel_files.received import ReceivedFile


def enough(_: int) -> None:
    """Say that the disk has room."""


def test_bytes_can_be_read_in_parts_and_have_the_digests_of_upload_forms(tmp_path: Path) -> None:
    with ReceivedFile(tmp_path / "new", limit_bytes=10, check_room=enough) as file:
        file.write(b"he")
        file.write(b"llo")
        assert (file.size_bytes, file.read_part(1, 2), file.read_part(3, 9)) == (5, b"el", b"lo")
        assert file.digests == {
            "sha256": hashlib.sha256(b"hello").hexdigest(),
            "blake2_256": hashlib.blake2b(b"hello", digest_size=32).hexdigest(),
            "md5": hashlib.md5(b"hello", usedforsecurity=False).hexdigest(),
        }


def test_no_name_is_left_for_a_killed_process_to_leave_behind(tmp_path: Path) -> None:
    with ReceivedFile(tmp_path, limit_bytes=10, check_room=enough) as file:
        file.write(b"hello")
        assert list(tmp_path.iterdir()) == []


def test_more_than_the_limit_is_refused_before_it_is_written(tmp_path: Path) -> None:
    with ReceivedFile(tmp_path, limit_bytes=5, check_room=enough) as file:
        file.write(b"hello")
        with pytest.raises(UploadTooLargeError):
            file.write(b"!")
        assert file.read_part(0, 10) == b"hello"


def test_full_disk_is_noticed_before_it_is_full(tmp_path: Path) -> None:
    def refuse(wanted_bytes: int) -> None:
        raise DiskFullError(path=str(tmp_path), free_bytes=wanted_bytes, floor_bytes=1 << 30)

    with ReceivedFile(tmp_path, limit_bytes=5, check_room=refuse) as file, pytest.raises(DiskFullError):
        file.write(b"hello")


def test_thread_that_still_writes_after_the_end_writes_nothing(tmp_path: Path) -> None:
    file = ReceivedFile(tmp_path, limit_bytes=10, check_room=enough)
    file.close()
    file.write(b"hello")
    assert file.size_bytes == 0
