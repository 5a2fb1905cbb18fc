"""The service that the demonstration runs on: the one that answers, or one of its own. Must not ask it for wheels."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TextIO

from wheelyard.adapters.servers.processes import ChildCommand, end_child, last_line, rotate_log, spawn
from wheelyard.cli.client import WheelyardClient
from wheelyard.cli.connection import Connection, RunningService, read_service
from wheelyard.cli.console import format_seconds, is_live, messages, note
from wheelyard.cli.log_text import plain_line
from wheelyard.errors import ServerUnreachableError, ServiceStartError
from wheelyard.settings import Settings

_START_SECONDS: Final = 900.0
_POLL_SECONDS: Final = 0.2
# SIGINT is what Ctrl-C would send: the service ends its children in order.
_STOP_STEPS: Final = ((signal.SIGINT, 60.0), (signal.SIGTERM, 20.0))
_DULL_KEYS: Final = frozenset({"event", "level", "timestamp", "logger"})


@contextmanager
def running_service(settings: Settings) -> Iterator[RunningService]:
    """Have a service for as long as the block lasts; one that was there before stays."""
    service = read_service(settings.state_dir)
    if service is not None and _is_ready(service):
        note(f"using the service that runs at {service.url}")
        yield service
        return
    child, log = _start(settings.state_dir)
    try:
        yield _wait_until_ready(child, log=log, state_dir=settings.state_dir)
    finally:
        note("stopping the service that was started for this")
        asyncio.run(end_child(child, _STOP_STEPS))


def _is_ready(service: RunningService) -> bool:
    try:
        with WheelyardClient(Connection(url=service.url, token=None)) as client:
            return client.readiness()[0]
    except ServerUnreachableError:
        return False


def _start(state_dir: Path) -> tuple[subprocess.Popen[bytes], Path]:
    """Start ``wheelyard up`` with its log in a file; it ends with us, however we end."""
    log = state_dir / "logs" / "demo-service.log"
    rotate_log(log, limit_bytes=0)
    note(f"starting the service; its log is {log}")
    # Any port will do for a service that nobody else is to find, unless one was asked for.
    defaults = {"WHEELYARD_PORT": "0"}
    command = ChildCommand(
        argv=(sys.executable, "-m", "wheelyard", "up"),
        # All of ours: settings, proxies and CA bundles (SSL_CERT_FILE) hold for the service too.
        environment={**defaults, **os.environ, "WHEELYARD_LOG_FORMAT": "json", "PYTHONUNBUFFERED": "1"},
        directory=Path.cwd(),
        death_signal=signal.SIGINT,
    )
    return spawn(command, log=log), log


def _wait_until_ready(child: subprocess.Popen[bytes], *, log: Path, state_dir: Path) -> RunningService:
    """Show what the service says until it answers; raises ServiceStartError if it ends or takes too long."""
    begun = time.monotonic()
    with log.open(errors="replace") as stream, _spinner("the service is starting"):
        stream.seek(max(0, log.stat().st_size - 1))
        while (service := _find_ready(child, state_dir)) is None:
            _show_lines(stream)
            if child.poll() is not None:
                reason = f"it ended with status {child.returncode}: {_last_words(log)}"
                raise ServiceStartError(service="wheelyard up", reason=reason, log=log)
            if time.monotonic() - begun > _START_SECONDS:
                raise ServiceStartError(service="wheelyard up", reason="it is not ready in time", log=log)
            time.sleep(_POLL_SECONDS)
    note(f"the service is ready after {format_seconds(time.monotonic() - begun)}")
    return service


def _find_ready(child: subprocess.Popen[bytes], state_dir: Path) -> RunningService | None:
    service = read_service(state_dir)
    # A service that was killed leaves its files, so the process must be the one that we started.
    return service if service and service.pid == child.pid and _is_ready(service) else None


def _last_words(log: Path) -> str:
    """Give the error that a service ended with; without one, whatever it said last."""
    errors = [line for line in log.read_text(errors="replace").splitlines() if line.startswith("error[")]
    return plain_line(errors[-1].partition(": ")[2].rstrip(".")) if errors else describe_entry(last_line(log))


@contextmanager
def _spinner(label: str) -> Iterator[None]:
    console = messages()
    if not is_live(console):
        yield
        return
    with console.status(label):
        yield


def _show_lines(stream: TextIO) -> None:
    while line := stream.readline():
        if line.strip():
            note(f"  service: {describe_entry(line)}")


def describe_entry(line: str) -> str:
    """Turn a line of the service's log into words; a line that is no JSON object stays as it is."""
    try:
        entry = json.loads(line)
    except ValueError:
        return plain_line(line.strip())
    if not isinstance(entry, dict):
        return plain_line(line.strip())
    details = [f"{name}={value}" for name, value in entry.items() if name not in _DULL_KEYS]
    return plain_line(" ".join([str(entry.get("event", "")), *details]))
