import os
from pathlib import Path

import pytest

from wheelyard.adapters.host.file_lock import FileLock
from wheelyard.adapters.host.process import inherited_environment
from wheelyard.adapters.servers.processes import ProcessMark, last_line, make_workshop, rotate_log
from wheelyard.errors import AlreadyRunningError


def test_lock_has_one_holder_and_can_be_taken_again_after_release(tmp_path: Path) -> None:
    first, second = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    first.acquire()
    with pytest.raises(AlreadyRunningError) as caught:
        second.acquire()
    assert caught.value.state_dir == tmp_path
    with pytest.raises(AlreadyRunningError):
        first.acquire()
    first.release()
    second.acquire()
    second.release()
    second.release()


def test_mark_tells_a_process_from_a_later_one_with_its_number(tmp_path: Path) -> None:
    mark = ProcessMark.of(os.getpid())
    assert mark is not None
    mark.save(tmp_path / "pid")
    assert ProcessMark.load(tmp_path / "pid") == mark
    assert mark.is_alive()
    assert not ProcessMark(pid=mark.pid, start_ticks=mark.start_ticks + 1).is_alive()


@pytest.mark.parametrize("content", [None, "", "12", "a b", "1 2 3"])
def test_missing_or_broken_mark_is_no_mark(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "pid"
    if content is not None:
        path.write_text(content)
    assert ProcessMark.load(path) is None


def test_no_process_has_no_mark() -> None:
    assert ProcessMark.of(2**22 + 1) is None


def test_log_is_put_aside_only_when_it_has_grown(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "a.log"
    rotate_log(log, limit_bytes=3)
    log.write_text("abc")
    rotate_log(log, limit_bytes=3)
    assert log.exists()
    log.write_text("abcd")
    rotate_log(log, limit_bytes=3)
    assert not log.exists()
    assert log.with_name("a.log.1").read_text() == "abcd"


def test_last_line_skips_blank_ones(tmp_path: Path) -> None:
    assert last_line(tmp_path / "none") == ""
    (tmp_path / "log").write_text("first\n  the reason \n\n \n")
    assert last_line(tmp_path / "log") == "the reason"


def test_environment_passes_trust_on_and_keeps_our_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CERT_FILE", "WHEELYARD_TOKEN", "PGHOST", "DEVPISERVER_PORT"):
        monkeypatch.setenv(name, "x")
    given = inherited_environment("PG", "DEVPI", LC_ALL="C")
    assert given["SSL_CERT_FILE"] == "x"
    assert given["LC_ALL"] == "C"
    assert not {"WHEELYARD_TOKEN", "PGHOST", "DEVPISERVER_PORT"} & given.keys()


def test_workshops_of_interrupted_runs_are_removed(tmp_path: Path) -> None:
    first = make_workshop(tmp_path, "data")
    (first / "half").write_text("done")
    second = make_workshop(tmp_path, "data")
    assert list(tmp_path.iterdir()) == [second]
    assert second.stat().st_mode & 0o777 == 0o700
