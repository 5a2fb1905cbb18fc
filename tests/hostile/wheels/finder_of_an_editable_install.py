"""Bring the finder of another project's editable installation, which Python imports at its start."""

from tests.hostile.wheel_parts import Wheel, wheel_with

REFUSED = "untrusted-output"
SAID = "would be taken for the metadata of another distribution"


def make() -> Wheel:
    return wheel_with(**{"__editable___requests_99_0_finder.py": b""})
