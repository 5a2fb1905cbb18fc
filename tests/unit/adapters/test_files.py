"""A file is whole at any time, and private where it must be."""

import os
import stat
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from wheelyard.adapters.host.files import open_atomic, write_atomic

KILLED = """
import os, signal, sys
from pathlib import Path
from wheelyard.adapters.host.files import open_atomic
with open_atomic(Path(sys.argv[1])) as stream:
    stream.write(b"half")
    stream.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def kill_a_writer(file: Path) -> Path:
    """Have a process die while it writes a file; return what it leaves."""
    before = set(file.parent.iterdir())
    done = subprocess.run([sys.executable, "-c", KILLED, str(file)], check=False)
    assert done.returncode < 0
    (left,) = set(file.parent.iterdir()) - before
    return left


def test_file_has_what_was_written_last_and_nothing_is_beside_it(tmp_path: Path) -> None:
    write_atomic(tmp_path / "file", "a longer text: é")
    assert (tmp_path / "file").read_bytes() == "a longer text: é".encode()
    write_atomic(tmp_path / "file", b"new\0")
    assert (tmp_path / "file").read_bytes() == b"new\0"
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize(
    ("umask", "mode", "expected"),
    [
        *((umask, 0o600, 0o600) for umask in (0o000, 0o022, 0o077)),
        (0o022, 0o666, 0o644),
        (0o077, 0o666, 0o600),
    ],
)
def test_file_has_its_mode_before_it_has_its_name(tmp_path: Path, umask: int, mode: int, expected: int) -> None:
    (tmp_path / "file").touch(0o666)
    former = os.umask(umask)
    try:
        with open_atomic(tmp_path / "file", mode=mode) as stream:
            assert stat.S_IMODE(os.fstat(stream.fileno()).st_mode) == expected
    finally:
        os.umask(former)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == expected


def test_failure_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    stack = ExitStack()
    stack.enter_context(open_atomic(tmp_path / "file")).write(b"half")
    stack.callback(lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        stack.close()
    assert (tmp_path / "file").read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_file_that_cannot_take_its_place_is_removed(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        write_atomic(tmp_path / "folder", "text")
    assert names(tmp_path) == ["folder"]


def test_killed_writer_leaves_the_old_file_and_what_it_left_is_removed_once_it_is_old(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    left = kill_a_writer(tmp_path / "file")
    assert ((tmp_path / "file").read_text(), left.read_text()) == ("old", "half")
    write_atomic(tmp_path / "file", "new")
    assert names(tmp_path) == sorted(["file", left.name])
    os.utime(left, (0, 0))
    write_atomic(tmp_path / "other", "text")
    assert left.exists()
    write_atomic(tmp_path / "file", "newer")
    assert names(tmp_path) == ["file", "other"]


def test_two_writers_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    with open_atomic(tmp_path / "file") as first, open_atomic(tmp_path / "file") as second:
        second.write(b"second")
        first.write(b"first")
    assert (tmp_path / "file").read_bytes() == b"first"
    assert names(tmp_path) == ["file"]


def test_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("untouched")
    (tmp_path / "file").symlink_to(tmp_path / "victim")
    write_atomic(tmp_path / "file", "secret")
    assert (tmp_path / "victim").read_text() == "untouched"
    assert not (tmp_path / "file").is_symlink()
