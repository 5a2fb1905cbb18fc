"""Lines between parts on this machine that a test can cut, or let only half of the talk through."""

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Final

_BLOCK_BYTES: Final = 1 << 16

Connect = Callable[[], socket.socket]
"""Reaches the other end."""


class Line:
    """Passes on what comes in at one address to another one."""

    def __init__(self, listener: socket.socket, connect: Connect) -> None:
        self._listener = listener
        self._connect = connect
        self._flows = threading.Event()
        self._answers = threading.Event()
        self._word = b""
        self._ends: set[socket.socket] = set()
        self.held = threading.Event()
        """Set once the word of ``hold_answers_to`` has been said."""
        self._flows.set()
        self._answers.set()
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    @property
    def port(self) -> int:
        """Where it begins, if that is a port."""
        return int(self._listener.getsockname()[1])

    def cut(self) -> None:
        """Let nothing through from now on, without a word to anybody, as a cable does that was cut."""
        self._flows.clear()

    def hold_answers_to(self, word: bytes) -> None:
        """Once somebody says this, let it through, but no answer to anything."""
        self.held.clear()
        self._word = word

    def restore(self) -> None:
        """Let everything through again, first of all what was held."""
        self._word = b""
        self._answers.set()
        self._flows.set()

    def close(self) -> None:
        """End it for good."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # whoever waits at it would keep it open
        self._accepting.join()
        self._listener.close()
        for end in list(self._ends):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self.restore()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                here, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(here,), daemon=True).start()

    def _serve(self, here: socket.socket) -> None:
        self._flows.wait()
        try:
            there = self._connect()
        except OSError:
            here.close()
            return
        self._ends |= {here, there}
        answers = threading.Thread(target=self._pump, args=(there, here, True), daemon=True)
        answers.start()
        self._pump(here, there, False)
        answers.join()
        self._ends -= {here, there}
        here.close()
        there.close()

    def _pump(self, source: socket.socket, sink: socket.socket, are_answers: bool) -> None:  # noqa: FBT001  a thread's
        with contextlib.suppress(OSError):
            while data := source.recv(_BLOCK_BYTES):
                if not are_answers and self._word and self._word in data:
                    self._answers.clear()
                    self.held.set()
                if are_answers:
                    self._answers.wait()
                self._flows.wait()
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


def line_to(connect: Connect) -> Line:
    """Lay a line from a free port of the loopback."""
    return Line(socket.create_server(("127.0.0.1", 0)), connect)


def to_port(port: int) -> Connect:
    """Reach a port of the loopback."""
    return lambda: socket.create_connection(("127.0.0.1", port))


def to_path(path: str) -> Connect:
    """Reach a Unix socket."""

    def connect() -> socket.socket:
        there = socket.socket(socket.AF_UNIX)
        try:
            there.connect(path)
        except OSError:
            there.close()
            raise
        return there

    return connect
