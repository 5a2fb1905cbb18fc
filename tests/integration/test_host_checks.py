"""The doctor's facts on this very host: engine, disks, port, certificates, PostgreSQL."""

import socket
from pathlib import Path

import pytest

from wheelyard.assembly.host_checks import inspect_host, try_port
from wheelyard.settings import Settings
from wheelyard.usecases.doctor import diagnose


def test_this_host_can_run_wheelyard(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path, port=0)
    facts = inspect_host(settings, own_url=None)
    checks = {check.name: check for check in diagnose(facts, settings)}
    assert facts.engine is not None, facts.engine_error
    for name in ("container engine", "CA bundle", "upstream index", "port", "embedded PostgreSQL"):
        assert checks[name].status == "ok", checks[name]


def test_git_is_looked_for_if_its_hosts_are_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    allowing = Settings(state_dir=tmp_path, port=0, git_hosts=["git.example"])
    found = inspect_host(allowing, own_url=None).git
    assert found is not None
    assert found.error is None
    assert inspect_host(Settings(state_dir=tmp_path, port=0), own_url=None).git is None
    monkeypatch.setenv("PATH", str(tmp_path))
    missing = inspect_host(allowing, own_url=None).git
    assert missing is not None
    assert missing.error == "it is not on PATH"


def test_taken_port_is_found_and_ours_is_told_apart() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert try_port("127.0.0.1", port, own_url=None).error == "Address already in use"
        assert try_port("127.0.0.1", port, own_url=f"http://127.0.0.1:{port}").is_ours
        assert not try_port("127.0.0.1", port, own_url="http://127.0.0.1:1").is_ours
