"""Have a name that says it is UTF-8, and is not."""

from tests.hostile.wheel_parts import Wheel, wheel_with

REFUSED = "untrusted-output"
SAID = "has names or texts that are not UTF-8"


def make() -> Wheel:
    return wheel_with(**{"demo/\u00e9.py": b""}).replace("\u00e9".encode(), b"\xff\xfe")
