"""Bring the data folder of another project."""

from tests.hostile.wheel_parts import Wheel, wheel_with

REFUSED = "untrusted-output"
SAID = "in no folder that installers know"


def make() -> Wheel:
    return wheel_with(**{"requests-2.0.data/scripts/pip": b""})
