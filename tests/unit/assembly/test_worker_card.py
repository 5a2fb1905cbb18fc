"""What a worker says about itself follows from its machine, the catalogue and its settings."""

import platform
from pathlib import Path

import pytest

from wheelyard.assembly.parts import Parts
from wheelyard.assembly.worker import worker_registration
from wheelyard.errors import EmulatorMissingError, SettingsInvalidError
from wheelyard.settings import Settings


def test_worker_serves_all_that_its_machine_can_build(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path)
    registration = worker_registration(Parts(settings))
    choices = Parts(settings).catalogue.on(platform.machine()).builders()
    assert {(lane.suite, lane.python) for lane in registration.lanes} == {(one.suite, one.python) for one in choices}
    assert registration.architecture == platform.machine()


def test_worker_serves_only_the_suites_that_it_is_told_to(tmp_path: Path) -> None:
    registration = worker_registration(Parts(Settings(state_dir=tmp_path, worker_suites=("trixie",))))
    assert {lane.suite for lane in registration.lanes} == {"trixie"}


def test_worker_without_any_suite_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalidError, match="WORKER_SUITES"):
        worker_registration(Parts(Settings(state_dir=tmp_path, worker_suites=("sarge",))))


def test_room_is_enough_for_all_slots_unless_it_is_said(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path, worker_slots=3, limit_cpus=2.0, limit_memory_bytes=1 << 30)
    capacity = worker_registration(Parts(settings)).capacity
    assert (capacity.cpus, capacity.memory_bytes) == (6.0, 3 << 30)
    told = settings.model_copy(update={"worker_cpus": 4.0, "worker_memory_bytes": 2 << 30})
    capacity = worker_registration(Parts(told)).capacity
    assert (capacity.cpus, capacity.memory_bytes) == (4.0, 2 << 30)


def on_x86_64(monkeypatch: pytest.MonkeyPatch, *, error: EmulatorMissingError | None = None) -> list[str]:
    """Let this host be an x86_64 one with an emulator, or without; return the architectures that were tried."""
    tried: list[str] = []

    def check(architecture: str) -> None:
        tried.append(architecture)
        if error is not None:
            raise error

    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr("wheelyard.assembly.parts.check_emulator", check)
    return tried


def test_worker_emulates_what_it_is_told_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = on_x86_64(monkeypatch)
    settings = Settings(state_dir=tmp_path, worker_suites=("bookworm",), worker_emulates=("aarch64",))
    registration = worker_registration(Parts(settings))
    assert {(lane.architecture, lane.suite) for lane in registration.lanes} == {("x86_64", "bookworm")}
    assert {(lane.architecture, lane.suite) for lane in registration.emulated} == {("aarch64", "bookworm")}
    assert {lane.python for lane in registration.emulated} == {lane.python for lane in registration.lanes}
    assert registration.architecture == "x86_64"
    assert tried == ["aarch64"]


def test_worker_emulates_nothing_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = on_x86_64(monkeypatch)
    assert worker_registration(Parts(Settings(state_dir=tmp_path))).emulated == ()
    assert tried == []


def test_worker_without_an_emulator_keeps_to_its_own_architecture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_x86_64(monkeypatch, error=EmulatorMissingError(architecture="aarch64", reason="Exec format error"))
    registration = worker_registration(Parts(Settings(state_dir=tmp_path, worker_emulates=("aarch64",))))
    assert (registration.emulated, bool(registration.lanes)) == ((), True)
