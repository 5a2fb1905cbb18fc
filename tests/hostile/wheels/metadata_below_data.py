"""Bring the metadata of another project, among the modules of a scheme."""

from tests.hostile.wheel_parts import Wheel, wheel_with

REFUSED = "untrusted-output"
SAID = "would be taken for the metadata of another distribution"


def make() -> Wheel:
    return wheel_with(**{"demo-1.0.data/purelib/requests-99.0.dist-info/RECORD": b""})
