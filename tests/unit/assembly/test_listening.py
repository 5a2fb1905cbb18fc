"""The API's port, as callers find it."""

import socket

from wheelyard.assembly.listening import holding_port, open_port
from wheelyard.settings import Settings


def test_answers_do_not_wait_for_acknowledgements() -> None:
    settings = Settings(host="127.0.0.1", port=0)
    with holding_port(settings) as listener:
        open_port(settings, listener)
        with socket.create_connection(listener.getsockname()):
            accepted, _ = listener.accept()
            with accepted:
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
