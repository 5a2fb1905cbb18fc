"""The state directory's layout is what every Wheelyard before has left on disk."""

import os
import re
import stat
from pathlib import Path

import pytest

import wheelyard
from wheelyard.adapters.host.state_dir import StateDir

ROOT = Path("/srv/state")
LAYOUT = {
    "root": ".",
    "lock": "wheelyard.lock",
    "api": "api.json",
    "token": "token",
    "authority": "authority",
    "worker_life": "worker.alive",
    "recipes": "recipes",
    "git": "cache/git",
    "file_cache": "cache/files",
    "wheel_cache": "cache/wheels",
    "received": "received",
    "crate_cache": "cache/crates",
    "archive_cache": "cache/archives",
    "image_cache": "cache/images",
    "uv_cache": "cache/uv",
    "images": "images",
    "image_locks": "locks",
    "container_users": "users",
    "postgres": "postgres",
    "postgres_lock": "postgres.lock",
    "devpi": "devpi",
    "devpi_data": "devpi/data",
    "devpi_secret": "devpi/secret",
    "devpi_passwords": "devpi/passwords.json",
    "devpi_port": "devpi/port",
    "devpi_pid": "devpi/server.pid",
    "devpi_lock": "devpi-server.lock",
}


def test_every_file_and_folder_has_the_name_that_it_always_had() -> None:
    state = StateDir(ROOT)
    assert vars(state) == {name: ROOT / path for name, path in LAYOUT.items()}
    assert state.attempts("host-1234") == ROOT / "attempts/host-1234"
    assert state.log("postgres") == ROOT / "logs/postgres.log"
    assert state.postgres_programs("18.1") == ROOT / "postgres-18.1"
    assert state.devpi_environment("abc-py3.12") == ROOT / "devpi-env-abc-py3.12"
    assert state.devpi_python("3.12.1-abc") == ROOT / "devpi-python-3.12.1-abc"


def test_no_other_module_spells_a_path_in_it() -> None:
    package = Path(wheelyard.__file__).parent
    spelled = re.compile(r"state_dir\)? / |StateDir\([^)]*\)(\.root)? / |_engine_dir\(settings\) / ")
    assert spelled.search('settings.state_dir / "token"')
    assert [str(file) for file in package.rglob("*.py") if spelled.search(file.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_new_state_directory_may_be_passed_through_but_not_listed(tmp_path: Path, umask: int) -> None:
    root = tmp_path / "var" / "wheelyard"
    former = os.umask(umask)
    try:
        StateDir(root).make()
    finally:
        os.umask(former)
    assert stat.S_IMODE(root.stat().st_mode) == 0o711


def test_state_directory_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    StateDir(tmp_path).make()
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o750


def test_state_directory_below_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        StateDir(tmp_path / "file" / "state").make()
