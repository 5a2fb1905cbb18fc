"""Take memory without end while it is imported."""

from tests.hostile.wheel_parts import Wheel, wheel_with

REFUSED = "memory-limit"
SAID = "256 MiB"


_DEMO = b"""
hoard = []
while True:
    hoard.append(b"x" * (16 << 20))
"""


def make() -> Wheel:
    return wheel_with(**{"demo.py": _DEMO})
