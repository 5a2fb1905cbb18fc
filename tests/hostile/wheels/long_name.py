"""Have a name that no file system takes."""

from tests.hostile.wheel_parts import Wheel, wheel_with

REFUSED = "untrusted-output"
SAID = "has a name that is too long"


def make() -> Wheel:
    return wheel_with(**{"x" * 300: b""})
