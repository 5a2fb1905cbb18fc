"""What a service started: its processes, containers and ports. Ends nothing else, ever."""

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar

from wheelyard.adapters.servers.processes import ProcessMark

POLL_SECONDS: Final = 0.1
_PARENT_FIELD: Final = 1  # of what follows the program's name in /proc/PID/stat, see proc(5)

T = TypeVar("T")


def wait_for(what: str, look: Callable[[], T | None], *, seconds: float) -> T:
    """Return what a look finds, as soon as it finds something true."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} seconds"
        time.sleep(POLL_SECONDS)
    return found


def descendants(pid: int) -> list[ProcessMark]:
    """Mark every living process that a process has started, its children's children too."""
    children: dict[int, list[int]] = {}
    for child, parent in _all_processes():
        children.setdefault(parent, []).append(child)
    pending, found = [pid], list[int]()
    while pending:
        started = children.get(pending.pop(), [])
        found += started
        pending += started
    return [mark for mark in map(ProcessMark.of, found) if mark is not None]


def command_line(mark: ProcessMark) -> str:
    """Give a process's command line, nothing if it has ended."""
    try:
        return Path(f"/proc/{mark.pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def containers(engine: str, *labels: str) -> list[str]:
    """List the containers with these labels, ended ones too."""
    filters = [part for label in labels for part in ("--filter", f"label={label}")]
    command = [engine, "ps", "--all", "--quiet", "--no-trunc", *filters]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()


def is_listening(url: str) -> bool:
    """Tell whether somebody listens at an address such as ``http://127.0.0.1:8123/path``."""
    host, port = url.removeprefix("http://").partition("/")[0].split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def free_port() -> int:
    """Find a port of the loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _all_processes() -> Iterator[tuple[int, int]]:
    """Yield each process with its parent."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        yield int(path.parent.name), int(fields[_PARENT_FIELD])
