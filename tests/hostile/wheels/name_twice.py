"""Say two names, of which readers take the first or the last."""

from tests.hostile.wheel_parts import INFO, METADATA, Wheel, wheel_with

REFUSED = "untrusted-output"
SAID = "METADATA says"


def make() -> Wheel:
    return wheel_with(**{f"{INFO}/METADATA": METADATA + b"Name: requests\n"})
