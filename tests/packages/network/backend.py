"""A backend that downloads what it should have brought."""

import socket


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    try:
        socket.getaddrinfo("files.example.invalid", 443)
    except OSError as error:
        print("no names:", error, flush=True)
    socket.create_connection(("192.0.2.1", 443), timeout=20)
