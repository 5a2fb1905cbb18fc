"""A disk that is full, a quota that is used up, and a floor that is reached are told apart."""

import errno
import os
import pwd
import shutil
from pathlib import Path

import pytest

from wheelyard.adapters.host.disk import (
    check_free_space,
    disk_errors,
    disk_full_error,
    read_space,
    read_space_around,
)
from wheelyard.adapters.images.build import explain_failure
from wheelyard.errors import DiskFullError

USER = pwd.getpwuid(os.geteuid()).pw_name


def full(number: int, folder: Path, filename: str | None = None) -> DiskFullError:
    with pytest.raises(DiskFullError) as caught, disk_errors(folder, floor_bytes=1 << 20):
        raise OSError(number, os.strerror(number), filename)
    return caught.value


@pytest.mark.parametrize("filename", [None, "of-no-folder/file"])
def test_quota_names_its_user_and_what_the_disk_still_has(tmp_path: Path, filename: str | None) -> None:
    error = full(errno.EDQUOT, tmp_path, filename and str(tmp_path / filename))
    free = shutil.disk_usage(tmp_path).free >> 20
    assert f"A disk quota is used up at {tmp_path}" in error.summary
    assert f"user {USER}" in error.summary
    assert f"quota -u {USER}" in error.hint
    assert "Only 0 MiB" not in error.summary
    assert abs((error.free_bytes or 0) / 2**20 - free) < 2000
    assert "MiB free" in error.summary


def test_full_disk_says_what_is_free_and_names_inodes(tmp_path: Path) -> None:
    error = full(errno.ENOSPC, tmp_path)
    assert error.summary.startswith(f"No space is left at {tmp_path}. ")
    assert "inodes" in error.hint
    assert error.quota_of == ""


def test_floor_that_is_reached_has_both_figures() -> None:
    error = DiskFullError(path="/srv", free_bytes=100 << 20, floor_bytes=1 << 30)
    assert error.summary == "Only 100 MiB are free at /srv, and 1024 MiB are kept free."
    assert "WHEELYARD_DISK_FLOOR_BYTES" in error.hint


def test_user_without_a_name_is_told_by_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 3_999_999)
    assert "user 3999999" in full(errno.EDQUOT, tmp_path).summary


def test_other_errors_are_left_alone(tmp_path: Path) -> None:
    assert disk_full_error(PermissionError(errno.EACCES, "no"), tmp_path) is None
    with pytest.raises(PermissionError), disk_errors(tmp_path):
        raise PermissionError(errno.EACCES, "no")


def test_engine_s_word_for_a_quota_is_no_full_disk() -> None:
    error = explain_failure("tar: x: Cannot write: Disk quota exceeded", image="wheelyard/base:1", suite="bookworm")
    assert isinstance(error, DiskFullError)
    assert "quota is used up at the place where wheelyard/base:1 is made" in error.summary


def test_space_is_that_of_the_nearest_folder_that_is_there(tmp_path: Path) -> None:
    assert read_space_around(tmp_path / "a" / "b").total_bytes == shutil.disk_usage(tmp_path).total
    with pytest.raises(FileNotFoundError):
        read_space(tmp_path / "a")


def test_what_is_about_to_be_written_counts_against_the_floor(tmp_path: Path) -> None:
    free = read_space(tmp_path).free_bytes
    check_free_space(tmp_path, free // 2)
    with pytest.raises(DiskFullError):
        check_free_space(tmp_path, free // 2, wanted_bytes=free)
