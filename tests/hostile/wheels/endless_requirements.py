"""Require more than any resolver can look at."""

from tests.hostile.wheel_parts import INFO, METADATA, Wheel, wheel_with

REFUSED = "untrusted-output"
SAID = "has 10001 requirements"


def make() -> Wheel:
    lines = "".join(f"Requires-Dist: p{number}\n" for number in range(10_001))
    return wheel_with(**{f"{INFO}/METADATA": METADATA + lines.encode()})
