"""Be installed beside site-packages."""

from tests.hostile.wheel_parts import Wheel, wheel_with

REFUSED = "untrusted-output"
SAID = "leaves its folder"


def make() -> Wheel:
    return wheel_with(**{"../../evil.py": b""})
