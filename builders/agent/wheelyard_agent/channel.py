"""The protocol with the worker over standard input and output: headers in JSON lines, with files after them.

A header is one line of JSON with a ``kind``. A header of kind ``file`` has ``name`` and ``size``, and that many bytes
follow it. There are no archives: a name is a plain file name, so no path can lead out of a directory.
"""

from __future__ import annotations

import json
import os
import select
import sys
import threading
from pathlib import Path
from typing import Any, BinaryIO

from wheelyard_agent.network_watch import NetworkWatch

_BLOCK = 1 << 20
_LAST = ("report", "failure")
WORKER_GONE = 75


class ProtocolError(Exception):
    """The worker sent something that the protocol does not allow."""


class Channel:
    """The agent's end of the protocol."""

    def __init__(self, source: BinaryIO, sink: BinaryIO) -> None:
        self._source = source
        self._sink = sink
        self.watch: NetworkWatch | None = None
        """The hosts that the project's code tried to reach, for the last message."""

    def receive(self, inbox: Path) -> dict[str, Any]:
        """Return the next header that is not a file; files before it are saved in the inbox."""
        while True:
            header = self._read_header()
            if header.get("kind") != "file":
                return header
            self._read_file(inbox / _plain_name(header["name"]), int(header["size"]))

    def send(self, kind: str, **fields: Any) -> None:
        """Send a header."""
        if self.watch is not None and kind in _LAST:
            fields["network"] = self.watch.calls()
        self._sink.write(json.dumps({"kind": kind, **fields}).encode() + b"\n")
        self._sink.flush()

    def send_file(self, path: Path) -> None:
        """Send a file with its header."""
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            self.send("file", name=path.name, size=size)
            while size > 0 and (block := file.read(min(size, _BLOCK))):
                self._sink.write(block)
                size -= len(block)
        self._sink.flush()

    def _read_header(self) -> dict[str, Any]:
        line = self._source.readline()
        if not line.endswith(b"\n"):
            sys.exit(WORKER_GONE)
        header = json.loads(line)
        if not isinstance(header, dict):
            raise ProtocolError("a header is not an object")
        return header

    def _read_file(self, path: Path, size: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            while size > 0:
                block = self._source.read(min(size, _BLOCK))
                if not block:
                    sys.exit(WORKER_GONE)
                file.write(block)
                size -= len(block)


def _plain_name(name: str) -> str:
    if name in {"", ".", ".."} or "/" in name or "\0" in name:
        raise ProtocolError(f"{name!r} is not a plain file name")
    return name


def open_channel(source: BinaryIO) -> Channel:
    """Take over standard output; later output of other code goes to the log.

    The descriptor is private: programs that the agent starts do not inherit it.
    """
    private = os.dup(1)
    os.set_inheritable(private, False)
    os.dup2(2, 1)
    threading.Thread(target=_leave_when_worker_is_gone, name="worker-watch", daemon=True).start()
    return Channel(source, os.fdopen(private, "wb"))


def _leave_when_worker_is_gone() -> None:
    """End the container when standard input closes, so that a killed worker leaves nothing running.

    The agent is the container's first process, so everything else in it ends too.
    """
    poll = select.poll()
    poll.register(0, 0)
    while True:
        for _, event in poll.poll():
            if event & (select.POLLHUP | select.POLLERR | select.POLLNVAL):
                os._exit(WORKER_GONE)
