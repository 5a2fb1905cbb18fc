"""Have two files that are one where case does not count."""

from tests.hostile.wheel_parts import Wheel, wheel_with

REFUSED = "untrusted-output"
SAID = "are one where case does not count"


def make() -> Wheel:
    return wheel_with(**{"demo/A.py": b"", "demo/a.py": b""})
