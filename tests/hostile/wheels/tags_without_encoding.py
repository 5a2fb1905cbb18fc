"""Have a WHEEL file that is no text."""

from tests.hostile.wheel_parts import INFO, Wheel, wheel_with

REFUSED = "untrusted-output"
SAID = "has names or texts that are not UTF-8"


def make() -> Wheel:
    return wheel_with(**{f"{INFO}/WHEEL": b"Tag: \xff\xfe\n"})
