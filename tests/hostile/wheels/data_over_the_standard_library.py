"""Bring data that is installed over a module of the standard library."""

from tests.hostile.wheel_parts import Wheel, wheel_with

REFUSED = "untrusted-output"
SAID = "would take the place of the Python that it is installed for"


def make() -> Wheel:
    return wheel_with(**{"demo-1.0.data/data/local/lib/python3.13/os.py": b""})
