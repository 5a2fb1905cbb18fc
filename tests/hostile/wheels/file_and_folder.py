"""Have a file that is a folder, too."""

from tests.hostile.wheel_parts import Wheel, wheel_with

REFUSED = "untrusted-output"
SAID = "is in a folder that is a file"


def make() -> Wheel:
    return wheel_with(**{"demo/x": b"", "demo/x/y.py": b""})
