"""Bring a data folder that no installer knows."""

from tests.hostile.wheel_parts import Wheel, wheel_with

REFUSED = "untrusted-output"
SAID = "in no folder that installers know"


def make() -> Wheel:
    return wheel_with(**{"demo-1.0.data/etc/passwd": b""})
