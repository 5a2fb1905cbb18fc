"""A start that cannot succeed says so in one message, and leaves a service that runs alone; Ctrl-C breaks it off."""

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.acceptance.processes import command_line, descendants, wait_for
from tests.acceptance.running_service import START_SECONDS, STOP_SECONDS, Completed, Launch, RunningService

_OPERATOR = 4
"""Exit code of what the operator has to mend, see docs/cli.md."""


def test_second_start_on_one_state_directory_is_refused_and_the_first_goes_on(service: RunningService) -> None:
    second = service.cli("up")

    _assert_one_message(second, code="already-running", words=str(service.state_dir))
    assert service.http.get("/readyz").is_success
    assert (service.state_dir / "api.json").exists(), "the command line still finds the first one"


def test_port_that_is_taken_is_named_with_the_setting_that_chooses_another(spare_state_dir: Path) -> None:
    with _taken_port() as port:
        completed = Launch(state_dir=spare_state_dir, settings={"PORT": str(port)}).cli("up")

    _assert_one_message(completed, code="service-start", words=f"127.0.0.1:{port} cannot be used")
    assert "WHEELYARD_PORT" in completed.stderr
    assert "starting" not in completed.stdout, "it is noticed before anything has begun"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("PORT", "abc", "WHEELYARD_PORT: Input should be a valid integer"),
        ("PORT", "70000", "WHEELYARD_PORT: Input should be less than or equal to 65535"),
        ("LOG_LEVEL", "loud", "WHEELYARD_LOG_LEVEL: Input should be 'debug', 'info', 'warning' or 'error'"),
    ],
)
def test_setting_that_cannot_be_used_is_named_with_what_is_wrong(
    make_state_dir: Callable[[], Path], name: str, value: str, words: str
) -> None:
    state_dir = make_state_dir()
    before = list(state_dir.iterdir())

    completed = Launch(state_dir=state_dir, settings={name: value}).cli("up")

    _assert_one_message(completed, code="settings-invalid", words=words)
    assert list(state_dir.iterdir()) == before


def test_ctrl_c_during_the_first_start_breaks_it_off(make_state_dir: Callable[[], Path]) -> None:
    launch = Launch(state_dir=make_state_dir())

    process = launch.start()
    try:
        wait_for("devpi's start", lambda: "starting devpi" in launch.log.read_text(), seconds=START_SECONDS)
        started = descendants(process.pid)
        process.send_signal(signal.SIGINT)
        status = process.wait(STOP_SECONDS)
    finally:
        process.kill()  # does nothing to one that has ended
        process.wait()

    said = launch.log.read_text()
    assert (status, "Traceback" in said, "API " in said) == (0, False, False), said
    assert [command_line(mark) for mark in started if mark.is_alive()] == []
    assert not (launch.state_dir / "api.json").exists()


@contextmanager
def _taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


def _assert_one_message(completed: Completed, *, code: str, words: str) -> None:
    """Check that an error is said once, without a traceback, and the exit code is the documented one."""
    assert completed.returncode == _OPERATOR, completed.stderr
    assert completed.stderr.count("error[") == 1
    assert f"error[{code}]: " in completed.stderr
    assert words in completed.stderr
    assert "Traceback" not in completed.stdout + completed.stderr
