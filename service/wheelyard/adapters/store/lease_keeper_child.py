"""A program of its own: keep a worker's leases while its event loop is busy, and report its death.

A call into C that holds Python's lock (a regular expression, a large JSON text) stops every thread of the worker, so no
thread could do this. The worker sends a sign of life each half second. While it is silent, this program extends its
leases: only for a limited time, not if the worker is stopped (SIGSTOP) or dead, and with the same fence as the worker
itself.

It reads lines from its standard input: JSON with ``setup``, ``hold`` and ``release``, or an empty line as a sign of
life. It writes a line for each lease that it has extended. The end of the input without a ``bye`` means that the worker
died.
"""

import contextlib
import json
import os
import select
import signal
import sys
import time
from pathlib import Path
from typing import Any, Final

import psycopg

_LOOK_SECONDS: Final = 0.25
_BEAT_SECONDS: Final = 1.0
_CONNECT_SECONDS: Final = 4
_STOPPED: Final = frozenset("TtZX")
"""States of a process that does not run, see proc(5)."""
_BLOCK_BYTES: Final = 1 << 16
_DEATH_TRIES: Final = 5


class Keeper:
    """What the program knows of its worker."""

    def __init__(self, setup: dict[str, Any], parent: int) -> None:
        self._setup = setup
        self._parent = parent
        self.last_sign = time.monotonic()
        self._beaten = 0.0
        self._held: set[tuple[str, int]] = set()
        self._connection: psycopg.Connection | None = None
        self.is_dismissed = False

    def take(self, line: bytes) -> None:
        """Handle a message of the worker."""
        self.last_sign = time.monotonic()
        message = json.loads(line) if line.strip() else {}
        if "hold" in message:
            self._held.add(tuple(message["hold"]))
        if "release" in message:
            self._held.discard(tuple(message["release"]))
        self.is_dismissed |= "bye" in message

    def look(self) -> None:
        """Extend the leases if the worker is silent but alive."""
        silence = time.monotonic() - self.last_sign
        if silence < self._setup["quiet_seconds"] or not self._held:
            self._disconnect()
        elif silence < self._setup["patience_seconds"] and self._is_due() and self._is_at_work():
            self._beat()

    def note_death(self) -> None:
        """Record that the worker died."""
        values = {"worker": self._setup["worker"], "seconds": time.monotonic() - self._setup["begun"]}
        for _ in range(_DEATH_TRIES if self._held else 0):
            with contextlib.suppress(psycopg.Error):
                self._connected().execute(self._setup["note_death"].encode(), values)
                return
            self._disconnect()
            time.sleep(_BEAT_SECONDS)

    def _is_due(self) -> bool:
        return time.monotonic() - self._beaten >= min(_BEAT_SECONDS, float(self._setup["lease_seconds"]) / 4)

    def _is_at_work(self) -> bool:
        """Return whether the worker's process can run."""
        try:
            state = Path(f"/proc/{self._parent}/stat").read_text(errors="replace").rpartition(")")[2].split()[0]
        except (OSError, IndexError):
            return False
        return state not in _STOPPED

    def _beat(self) -> None:
        self._beaten = time.monotonic()
        try:
            for build_id, number in sorted(self._held):
                sent = time.monotonic()
                values = {"id": build_id, "number": number, "lease": self._setup["lease_seconds"]}
                if self._connected().execute(self._setup["beat"].encode(), values).fetchone() is not None:
                    send([build_id, number, sent])
                else:
                    self._held.discard((build_id, number))
        except psycopg.Error:
            self._disconnect()

    def _connected(self) -> psycopg.Connection:
        if self._connection is None:
            milliseconds = int(self._setup["lease_seconds"] * 250)
            self._connection = psycopg.connect(
                self._setup["conninfo"],
                autocommit=True,
                connect_timeout=_CONNECT_SECONDS,
                options=f"-c statement_timeout={milliseconds}",
                tcp_user_timeout=_CONNECT_SECONDS * 1000,
            )
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(psycopg.Error):
                self._connection.close()
            self._connection = None


def send(what: object) -> None:
    """Send a message to the worker. It is dropped if the worker does not read, so that nothing waits for it."""
    with contextlib.suppress(OSError):
        os.write(sys.stdout.fileno(), json.dumps(what).encode() + b"\n")


def main() -> None:
    """Keep leases until the input ends."""
    # The signals that end a service reach all of its processes. This one is needed until the worker has returned its
    # builds.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    os.set_blocking(sys.stdout.fileno(), False)
    parent, source = os.getppid(), sys.stdin.fileno()
    keeper: Keeper | None = None
    rest = b""
    while True:
        if select.select([source], [], [], _LOOK_SECONDS)[0]:
            block = os.read(source, _BLOCK_BYTES)
            if not block:
                break
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                if keeper is None:
                    keeper = Keeper(json.loads(line)["setup"], parent)
                keeper.take(line)
        if keeper is not None:
            keeper.look()
    if keeper is not None and not keeper.is_dismissed:
        keeper.note_death()


if __name__ == "__main__":
    main()
