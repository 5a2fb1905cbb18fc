"""Have other tags inside than its file name says."""

from tests.hostile.wheel_parts import INFO, Wheel, wheel_with

REFUSED = "untrusted-output"
SAID = "its file name has others"


def make() -> Wheel:
    return wheel_with(**{f"{INFO}/WHEEL": b"Wheel-Version: 1.0\nTag: cp313-cp313-win_amd64\n"})
