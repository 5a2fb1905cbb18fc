"""Have another name for those who stop at NUL."""

from tests.hostile.wheel_parts import Wheel, wheel_with

REFUSED = "untrusted-output"
SAID = "has control characters"


def make() -> Wheel:
    return wheel_with(**{"demo/aXb.py": b""}).replace(b"demo/aXb.py", b"demo/a\0b.py")
