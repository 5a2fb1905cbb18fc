"""Have METADATA that takes long to read."""

from tests.hostile.wheel_parts import INFO, METADATA, Wheel, wheel_with

REFUSED = "untrusted-output"
SAID = "its METADATA has"


def make() -> Wheel:
    return wheel_with(**{f"{INFO}/METADATA": METADATA + b"\n" + b"x" * (5 << 20)})
