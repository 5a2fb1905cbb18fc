"""Bring data that is installed over the modules of another project."""

from tests.hostile.wheel_parts import Wheel, wheel_with

REFUSED = "untrusted-output"
SAID = "would be installed into site-packages by another path"


def make() -> Wheel:
    return wheel_with(**{"demo-1.0.data/data/lib64/python3.13/site-packages/requests/__init__.py": b""})
