"""Bring metadata of its own by another way, with programs that nobody has checked."""

from tests.hostile.wheel_parts import Wheel, wheel_with

REFUSED = "untrusted-output"
SAID = "would be taken for the metadata of another distribution"


def make() -> Wheel:
    return wheel_with(**{"demo-1.0.data/platlib/demo-1.0.dist-info/entry_points.txt": b""})
