"""Bring the metadata of another project in a folder that a .pth file has Python look in."""

from tests.hostile.wheel_parts import Wheel, wheel_with

REFUSED = "untrusted-output"
SAID = "would be taken for the metadata of another distribution"


def make() -> Wheel:
    return wheel_with(**{"demo.pth": b"./demo_more\n", "demo_more/requests-99.0.dist-info/RECORD": b""})
