"""Call for the network and for services of the host while it is imported."""

from tests.hostile.wheel_parts import Wheel, wheel_with

HARMLESS = "Nobody answers, and its report says whom it called."
WARNS = "uploads.example.invalid:443"


_DEMO = b"""
import socket
reached = []
for place in (("uploads.example.invalid", 443), ("192.0.2.1", 443), ("169.254.169.254", 80), ("172.17.0.1", 22)):
    try:
        socket.create_connection(place, timeout=2)
        reached.append(place)
    except OSError:
        pass
assert not reached, reached
"""


def make() -> Wheel:
    return wheel_with(**{"demo.py": _DEMO})
