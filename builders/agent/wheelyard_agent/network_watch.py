"""Record the hosts that the project's code tries to reach without a network, for the report.

There are two listeners on the loopback: a name server without names sees every lookup, and a hook in the environment's
Python reports hosts with their ports. Project code can forge both, so the result is information, not protection: the
protection is that the container has no network.
"""

from __future__ import annotations

import ipaddress
import json
import re
import select
import socket
import threading
from pathlib import Path
from typing import Any

_LOOPBACK = "127.0.0.1"
_CATCH_UP_SECONDS = 1.0
_DATAGRAM_BYTES = 4096
_MAX_CALLS = 50
_HEADER_BYTES = 12
_NAME_ERROR = b"\x81\x83"
"""Flags of a response with the code "name error", recursion desired (RFC 1035, 4.1.1)."""
_HOST = re.compile(r"[A-Za-z0-9_.:-]{1,253}")

_HOOK = """
import sys

def _note(event, args):
    if event == "socket.connect" and isinstance(args[1], tuple):
        host, port = args[1][:2]
    elif event == "socket.getaddrinfo":
        host, port = args[:2]
    else:
        return
    try:
        import _socket, json
        with_port = {"host": host.decode() if isinstance(host, bytes) else host, "port": int(port or 0)}
        ear = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
        ear.sendto(json.dumps(with_port).encode(), ("127.0.0.1", @PORT@))
        ear.close()
    except Exception:
        pass

sys.addaudithook(_note)
"""


class NetworkWatch:
    """The hosts so far."""

    def __init__(self, *, name_server_port: int = 53) -> None:
        self._calls: dict[tuple[str, int], None] = {}
        self._caught_up = threading.Event()
        self._notes = _listen(0)
        self._names = _try_listen(name_server_port)
        threading.Thread(target=self._hear, name="network-watch", daemon=True).start()

    @property
    def hook(self) -> str:
        """Return the program that makes a Python report its connections."""
        return _HOOK.replace("@PORT@", str(self._notes.getsockname()[1]))

    def install(self, site: Path) -> None:
        """Make every Python that uses this site-packages folder report its connections."""
        (site / "_wheelyard_network.py").write_text(self.hook, encoding="ascii")
        (site / "_wheelyard_network.pth").write_text("import _wheelyard_network\n", encoding="ascii")

    def calls(self) -> list[dict[str, Any]]:
        """Return hosts with their ports; None for an unknown port."""
        self._catch_up()
        calls = list(self._calls)
        known = {host for host, port in calls if port}
        return [{"host": host, "port": port or None} for host, port in calls if port or host not in known]

    def _catch_up(self) -> None:
        """Wait until all earlier notes are received; an empty note follows them."""
        self._caught_up.clear()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as teller:
            teller.sendto(b"", self._notes.getsockname())
        self._caught_up.wait(_CATCH_UP_SECONDS)

    def _hear(self) -> None:
        ears = [ear for ear in (self._notes, self._names) if ear is not None]
        while True:
            for ear in select.select(ears, [], [])[0]:
                data, sender = ear.recvfrom(_DATAGRAM_BYTES)
                if ear is self._notes:
                    self._take_note(data)
                else:
                    self._answer(ear, data, sender)

    def _take_note(self, data: bytes) -> None:
        if not data:
            self._caught_up.set()
            return
        try:
            note = json.loads(data)
            self._add(str(note["host"]), int(note["port"]))
        except (ValueError, TypeError, KeyError, RecursionError):
            return

    def _answer(self, ear: socket.socket, query: bytes, sender: Any) -> None:
        name = _asked_name(query)
        if name is None:
            return
        self._add(name, 0)
        answer = query[:2] + _NAME_ERROR + query[4:6] + bytes(6) + query[_HEADER_BYTES:]
        try:
            ear.sendto(answer, sender)
        except OSError:
            return

    def _add(self, host: str, port: int) -> None:
        host = host.rstrip(".").lower()
        if len(self._calls) < _MAX_CALLS and 0 <= port < 1 << 16 and _HOST.fullmatch(host) and not _is_local(host):
            self._calls[host, port] = None


def _listen(port: int) -> socket.socket:
    ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        ear.bind((_LOOPBACK, port))
    except OSError:
        ear.close()
        raise
    return ear


def _try_listen(port: int) -> socket.socket | None:
    """Return a listening socket; None if the engine reserves low ports for root even in a container's network."""
    try:
        return _listen(port)
    except OSError:
        return None


def _asked_name(query: bytes) -> str | None:
    """Return the name of a query's first question (RFC 1035, 4.1.2): labels, each after its length."""
    labels, place = [], _HEADER_BYTES
    while place < len(query) and 0 < query[place] < 1 << 6:
        labels.append(query[place + 1 : place + 1 + query[place]].decode("ascii", errors="replace"))
        place += 1 + query[place]
    return ".".join(labels) if labels and place < len(query) and query[place] == 0 else None


def _is_local(host: str) -> bool:
    """Return whether a host needs no network: the container itself, or a name without a dot."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or host.endswith((".localhost", ".localdomain", ".local", ".arpa"))
    return address.is_loopback or address.is_unspecified
