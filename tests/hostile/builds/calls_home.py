"""Download while it is built, and go on without what it does not get."""

import contextlib
import socket
import subprocess

HARMLESS = "It has no network, and the report tells what it called for."


def attack():
    for host in ("files.example.invalid", "192.0.2.1"):
        with contextlib.suppress(OSError):
            socket.create_connection((host, 443), timeout=5)
    subprocess.run(["getent", "hosts", "names.example.invalid"])


MEMBERS = {
    "demo.py": b"""
import contextlib, socket
with contextlib.suppress(OSError):
    socket.create_connection(("imports.example.invalid", 80))
"""
}
