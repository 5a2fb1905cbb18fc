"""Have a path that is longer than systems take."""

from tests.hostile.wheel_parts import Wheel, wheel_with

REFUSED = "untrusted-output"
SAID = "has a name that is too long"


def make() -> Wheel:
    return wheel_with(**{"d/" * 600 + "x": b""})
