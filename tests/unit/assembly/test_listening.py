"""The API's port, as callers find it."""

import asyncio
import socket
from typing import cast

import pytest

from wheelyard.assembly.listening import _AnswerTransport, holding_port, open_port
from wheelyard.settings import Settings


def test_answers_do_not_wait_for_acknowledgements() -> None:
    settings = Settings(host="127.0.0.1", port=0)
    with holding_port(settings) as listener:
        open_port(settings, listener)
        with socket.create_connection(listener.getsockname()):
            accepted, _ = listener.accept()
            with accepted:
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


class _Written:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> None:
        """Keep bytes."""
        self.data += data


@pytest.mark.parametrize(
    ("phrase", "line"),
    [
        ("it is no wheel [invalid-wheel]", b"HTTP/1.1 400 it is no wheel [invalid-wheel]"),
        ("a\r\nSet-Cookie: b\u2028c \u00e9", b"HTTP/1.1 400 a Set-Cookie: b c ?"),
        ("x" * 2000, b"HTTP/1.1 400 " + b"x" * 1000),
    ],
)
def test_reason_phrase_stands_in_the_status_line_of_the_answer_alone(phrase: str, line: bytes) -> None:
    written, phrases = _Written(), list[str]()
    transport = _AnswerTransport(cast("asyncio.Transport", written), phrases, lambda: None)
    transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    phrases.append(phrase)
    transport.write(b"HTTP/1.1 400 Bad Request\r\nA: b\r\n\r\n")
    transport.write(b"HTTP/1.1 200 is in the body")
    assert written.data == (b"HTTP/1.1 100 Continue\r\n\r\n" + line + b"\r\nA: b\r\n\r\nHTTP/1.1 200 is in the body")
