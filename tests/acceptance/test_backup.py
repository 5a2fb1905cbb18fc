"""A backup brings everything back after everything was lost: wheels install, builds and tokens are as they were."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.acceptance.running_service import Document, Launch, RunningService, running
from tests.acceptance.upstream import Upstream

StateDirs = Callable[[], Path]


@pytest.fixture(scope="module")
def launch(make_state_dir: StateDirs, upstream: Upstream) -> Launch:
    return Launch(state_dir=make_state_dir(), settings={"UPSTREAM_INDEX_URL": upstream.url})


@pytest.fixture(scope="module")
def lost_and_restored(
    launch: Launch, make_state_dir: StateDirs, upstream: Upstream
) -> Iterator[tuple[RunningService, Document, str]]:
    """Give a service on a restored state directory, the build that it had before, and its log."""
    backup = make_state_dir() / "backup"
    with running(launch) as service:
        build = service.finished(str(service.submit(upstream.add("keptwheel"))["id"]))
        assert build["status"] == "succeeded", build["failure"]
        log = service.log(build["id"])
        _expect(launch, "backup", str(backup))
    _lose_everything(launch.state_dir)
    _expect(launch, "restore", str(backup))
    with running(launch) as service:
        yield service, build, log


def test_wheel_installs_from_the_restored_index(
    lost_and_restored: tuple[RunningService, Document, str], tmp_path: Path
) -> None:
    service, _, _ = lost_and_restored

    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--isolated", "install", "--no-cache-dir"]
    index = ["--index-url", f"{service.url}/simple/", "--only-binary", ":all:", "--target", str(tmp_path / "site")]
    done = subprocess.run([*pip, *index, "keptwheel"], check=False, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert "ANSWER = 42" in (tmp_path / "site/keptwheel.py").read_text()


def test_builds_and_logs_are_as_they_were(lost_and_restored: tuple[RunningService, Document, str]) -> None:
    service, build, log = lost_and_restored

    # Where things are may change with each start; what they are may not.
    restored = service.build(build["id"])
    assert restored.pop("wheel")["sha256"] == build["wheel"]["sha256"]
    assert restored == {name: value for name, value in build.items() if name != "wheel"}
    assert service.log(build["id"]) == log
    audit = service.cli("audit")
    assert "backup.restored" in audit.stdout, audit.stderr


def test_restored_service_publishes_and_finds_no_fault_with_its_index(
    lost_and_restored: tuple[RunningService, Document, str], upstream: Upstream
) -> None:
    service, _, _ = lost_and_restored

    build = service.finished(str(service.submit(upstream.add("afterwards"))["id"]))

    assert build["status"] == "succeeded", build["failure"]
    checked = service.cli("index", "check")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_backup_is_never_mixed_with_what_is_there(
    lost_and_restored: tuple[RunningService, Document, str], make_state_dir: StateDirs
) -> None:
    service, _, _ = lost_and_restored
    backup = make_state_dir() / "second"
    _expect(service.launch, "backup", str(backup))

    again = service.cli("backup", str(backup))
    running_service = service.cli("restore", str(backup))

    assert (again.returncode, "exists already" in again.stderr) == (4, True), again.stderr
    assert (running_service.returncode, "already-running" in running_service.stderr) == (4, True)


def test_damaged_backup_is_refused_before_anything_is_touched(
    lost_and_restored: tuple[RunningService, Document, str], make_state_dir: StateDirs
) -> None:
    service, _, _ = lost_and_restored
    backup, empty = make_state_dir() / "damaged", make_state_dir()
    before = list(empty.iterdir())
    _expect(service.launch, "backup", str(backup))
    (backup / "database.dump").write_bytes((backup / "database.dump").read_bytes()[:-1])

    refused = service.cli("restore", str(backup), STATE_DIR=str(empty))

    assert (refused.returncode, "is not what was written" in refused.stderr) == (4, True), refused.stderr
    assert list(empty.iterdir()) == before


def _expect(launch: Launch, *arguments: str) -> None:
    completed = launch.cli(*arguments)
    assert completed.returncode == 0, completed.stderr
    assert "the database and devpi's files" in completed.stderr


def _lose_everything(state_dir: Path) -> None:
    for path in state_dir.iterdir():
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
