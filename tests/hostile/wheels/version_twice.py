"""Say two versions, of which readers take the first or the last."""

from tests.hostile.wheel_parts import INFO, METADATA, Wheel, wheel_with

REFUSED = "untrusted-output"
SAID = "its METADATA has no valid version"


def make() -> Wheel:
    return wheel_with(**{f"{INFO}/METADATA": METADATA + b"Version: 99.0\n"})
