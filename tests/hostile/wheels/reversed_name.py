"""Look like a text file, with a mark that reverses the direction of writing."""

from tests.hostile.wheel_parts import Wheel, wheel_with

REFUSED = "untrusted-output"
SAID = "has control characters"


def make() -> Wheel:
    return wheel_with(**{"demo/\u202etxt.py": b""})
