"""Have one compressed tag that stands for a billion."""

from tests.hostile.wheel_parts import INFO, Wheel, wheel_with

REFUSED = "untrusted-output"
SAID = "too many tags"


def make() -> Wheel:
    many = ".".join(f"a{number}" for number in range(1000))
    return wheel_with(**{f"{INFO}/WHEEL": f"Wheel-Version: 1.0\nTag: {many}-{many}-{many}\n".encode()})
