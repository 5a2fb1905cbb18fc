"""What project code calls for is noted, with its port where Python says it, and never believed more than that."""

import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from wheelyard_agent.network_watch import NetworkWatch

PATIENCE_SECONDS = 10.0


@pytest.fixture
def watch() -> NetworkWatch:
    return NetworkWatch(name_server_port=0)


def calls(watch: NetworkWatch, expected: int) -> list[dict[str, object]]:
    """Give the calls once there are so many; datagrams take a moment."""
    end = time.monotonic() + PATIENCE_SECONDS
    while len(watch.calls()) < expected and time.monotonic() < end:
        time.sleep(0.01)
    return watch.calls()


def port_of(ear: socket.socket | None) -> int:
    assert ear is not None
    return int(ear.getsockname()[1])


def ask(watch: NetworkWatch, query: bytes) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.settimeout(PATIENCE_SECONDS)
        asker.connect(("127.0.0.1", port_of(watch._names)))
        asker.send(query)
        return asker.recv(1000)


def query(name: str) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + labels + b"\x00\x00\x01\x00\x01"


def note(watch: NetworkWatch, data: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as teller:
        teller.sendto(data, ("127.0.0.1", port_of(watch._notes)))


def test_name_is_noted_and_answered_with_there_is_none(watch: NetworkWatch) -> None:
    answer = ask(watch, query("Files.Example.invalid"))
    assert answer[:4] == b"\x12\x34\x81\x83"
    assert answer.endswith(b"\x07invalid\x00\x00\x01\x00\x01")
    assert watch.calls() == [{"host": "files.example.invalid", "port": None}]


def test_what_was_told_before_is_in_the_list(watch: NetworkWatch) -> None:
    for port in range(1, 31):
        note(watch, json.dumps({"host": f"host{port}.example", "port": port}).encode())
        assert watch.calls()[-1] == {"host": f"host{port}.example", "port": port}


@pytest.mark.parametrize("data", [b"", b"short", b"\x00" * 12, b"\xff" * 300, query("a.b")[:-8], query("a.b")[:14]])
def test_query_that_is_none_is_ignored(watch: NetworkWatch, data: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.sendto(data, ("127.0.0.1", port_of(watch._names)))
    ask(watch, query("files.example.invalid"))
    assert len(watch.calls()) == 1


def test_python_tells_hosts_with_ports(watch: NetworkWatch, tmp_path: Path) -> None:
    watch.install(tmp_path)
    program = """
import _wheelyard_network, contextlib, socket
socket.getaddrinfo("localhost", 80)
for target in (("files.example.invalid", 443), ("192.0.2.1", 8080), ("127.0.0.1", 1)):
    with contextlib.suppress(OSError):
        socket.create_connection(target, timeout=0.001)
with contextlib.suppress(OSError):
    socket.socket(socket.AF_UNIX).connect("/nowhere")
"""
    subprocess.run([sys.executable, "-c", program], env={"PYTHONPATH": str(tmp_path)}, check=True)
    noted = {(call["host"], call["port"]) for call in calls(watch, 2)}
    assert noted == {("files.example.invalid", 443), ("192.0.2.1", 8080)}


def test_startup_file_loads_the_hook(watch: NetworkWatch, tmp_path: Path) -> None:
    watch.install(tmp_path)
    program = f"import site, sys; site.addsitedir({str(tmp_path)!r}); print('_wheelyard_network' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-I", "-c", program], text=True) == "True\n"


@pytest.mark.parametrize(
    "data", [b"", b"no", b"[]", b"{}", b'{"host": "a.b", "port": "x"}', b'{"host": "a.b", "port": 70000}', b"[" * 4000]
)  # fmt: skip
def test_note_that_is_none_is_ignored(watch: NetworkWatch, data: bytes) -> None:
    note(watch, data)
    note(watch, json.dumps({"host": "a.example", "port": 1}).encode())
    assert calls(watch, 1) == [{"host": "a.example", "port": 1}]


@pytest.mark.parametrize("host", ["localhost", "wheelyard", "127.0.0.1", "::1", "a b.example", "\x1b[2J.com"])
def test_container_itself_and_nonsense_are_no_calls(watch: NetworkWatch, host: str) -> None:
    note(watch, json.dumps({"host": host, "port": 1}).encode())
    note(watch, json.dumps({"host": "a.example", "port": 1}).encode())
    assert calls(watch, 1) == [{"host": "a.example", "port": 1}]


def test_calls_are_bounded(watch: NetworkWatch) -> None:
    for number in range(200):
        note(watch, json.dumps({"host": f"h{number}.example", "port": 1}).encode())
        calls(watch, min(number + 1, 50))
    assert len(watch.calls()) == 50
