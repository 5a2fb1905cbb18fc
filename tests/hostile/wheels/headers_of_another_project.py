"""Bring headers that are installed among those of another project."""

from tests.hostile.wheel_parts import Wheel, wheel_with

REFUSED = "untrusted-output"
SAID = "among the headers of another project"


def make() -> Wheel:
    return wheel_with(**{"demo-1.0.data/data/include/site/python3.13/greenlet/greenlet.h": b""})
