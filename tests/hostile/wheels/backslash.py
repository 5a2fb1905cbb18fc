"""Be installed beside site-packages where backslashes separate."""

from tests.hostile.wheel_parts import Wheel, wheel_with

REFUSED = "untrusted-output"
SAID = "has a backslash in its name"


def make() -> Wheel:
    return wheel_with(**{"..\\..\\evil.py": b""})
