"""Have one path in two spellings."""

from tests.hostile.wheel_parts import Wheel, wheel_with

REFUSED = "untrusted-output"
SAID = "is not normal"


def make() -> Wheel:
    return wheel_with(**{"demo/./a.py": b""})
