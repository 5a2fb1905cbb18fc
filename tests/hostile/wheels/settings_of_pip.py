"""Bring settings that have pip install from elsewhere."""

from tests.hostile.wheel_parts import Wheel, wheel_with

REFUSED = "untrusted-output"
SAID = "would be the settings of pip"


def make() -> Wheel:
    return wheel_with(**{"demo-1.0.data/data/pip.conf": b"[global]\nindex-url = https://example.invalid\n"})
