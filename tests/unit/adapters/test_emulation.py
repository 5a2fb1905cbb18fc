"""An emulator counts only if the kernel runs a foreign program with it, in a container too."""

from pathlib import Path

import pytest

from wheelyard.adapters.host import emulation
from wheelyard.adapters.host.emulation import check_emulator
from wheelyard.errors import EmulatorMissingError


@pytest.fixture
def registered(tmp_path: Path) -> Path:
    folder = tmp_path / "binfmt_misc"
    folder.mkdir()
    (folder / "qemu-aarch64").write_text("enabled\ninterpreter /usr/libexec/qemu\nflags: PF\noffset 0\n")
    return folder


def running(monkeypatch: pytest.MonkeyPatch, program: bytes) -> None:
    """Let the kernel be asked with another program."""
    monkeypatch.setitem(emulation._PROGRAMS, "aarch64", lambda: program)


def test_program_that_ends_well_shows_an_emulator(monkeypatch: pytest.MonkeyPatch, registered: Path) -> None:
    running(monkeypatch, b"#!/bin/sh\nexit 0\n")
    check_emulator("aarch64", registered=registered)
    check_emulator("aarch64", registered=registered / "not-mounted")


@pytest.mark.parametrize(
    ("program", "reason"),
    [(b"\x7fELF of nobody", "Exec format error"), (b"#!/bin/sh\nexit 7\n", "it ended with code 7")],
)
def test_kernel_without_an_emulator_is_named_with_what_mends_it(
    monkeypatch: pytest.MonkeyPatch, registered: Path, program: bytes, reason: str
) -> None:
    running(monkeypatch, program)
    with pytest.raises(EmulatorMissingError, match=reason) as caught:
        check_emulator("aarch64", registered=registered)
    assert "apt-get install qemu-user-static binfmt-support" in caught.value.hint
    assert not caught.value.retryable


def test_interpreter_that_a_container_lacks_is_none(monkeypatch: pytest.MonkeyPatch, registered: Path) -> None:
    running(monkeypatch, b"#!/bin/sh\nexit 0\n")
    (registered / "qemu-aarch64").write_text("enabled\ninterpreter /usr/bin/qemu-aarch64\nflags: P\n")
    with pytest.raises(EmulatorMissingError, match="without the flag F"):
        check_emulator("aarch64", registered=registered)


def test_foreign_program_is_a_small_elf_file_for_aarch64() -> None:
    program = emulation._aarch64_program()
    assert (program[:4], program[4], program[18:20]) == (b"\x7fELF", 2, (183).to_bytes(2, "little"))
    assert len(program) == 64 + 56 + 12
