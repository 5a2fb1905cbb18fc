"""Have two files that are one where Unicode is normalised."""

from tests.hostile.wheel_parts import Wheel, wheel_with

REFUSED = "untrusted-output"
SAID = "are one where case does not count"


def make() -> Wheel:
    return wheel_with(**{"demo/\u00e9.py": b"", "demo/e\u0301.py": b""})
