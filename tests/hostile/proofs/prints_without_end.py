"""Print without end, on both streams."""

from tests.hostile.wheel_parts import Wheel, wheel_with

REFUSED = "time-limit"
SAID = "8 seconds"
SECONDS = 8


_DEMO = b"""
import os
while True:
    os.write(1, b"x" * 65535 + b"\\n")
    os.write(2, b"y" * 65536)
"""


def make() -> Wheel:
    return wheel_with(**{"demo.py": _DEMO})
