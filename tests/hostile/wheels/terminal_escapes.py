"""Clear the screen of whoever lists its files, and write another line there."""

from tests.hostile.wheel_parts import Wheel, wheel_with

REFUSED = "untrusted-output"
SAID = "has control characters"


def make() -> Wheel:
    return wheel_with(**{"\x1b[2J\x1b]0;pwned\x07.py": b""})
