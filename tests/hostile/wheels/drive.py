"""Be installed onto another drive."""

from tests.hostile.wheel_parts import Wheel, wheel_with

REFUSED = "untrusted-output"
SAID = "has an absolute path"


def make() -> Wheel:
    return wheel_with(**{"C:/evil.py": b""})
