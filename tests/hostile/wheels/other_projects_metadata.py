"""Bring the metadata of another project, which installers would take for installed."""

from tests.hostile.wheel_parts import Wheel, wheel_with

REFUSED = "untrusted-output"
SAID = "2 .dist-info folders instead of one"


def make() -> Wheel:
    return wheel_with(**{"requests-99.0.dist-info/RECORD": b""})
