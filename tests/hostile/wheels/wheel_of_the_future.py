"""Be of a format that nobody knows yet."""

from tests.hostile.wheel_parts import INFO, Wheel, wheel_with

STAGE = "verify"
REFUSED = "verify-failed"
SAID = "could not be installed"


def make() -> Wheel:
    return wheel_with(**{f"{INFO}/WHEEL": b"Wheel-Version: 9.0\nTag: py3-none-any\n"})
