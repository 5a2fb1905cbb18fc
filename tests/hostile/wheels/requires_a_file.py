"""Require a file of the host's, for the resolver to read."""

from tests.hostile.wheel_parts import INFO, METADATA, Wheel, wheel_with

STAGE = "verify"
REFUSED = "runtime-requirements"
SAID = "it is a direct reference"


def make() -> Wheel:
    return wheel_with(**{f"{INFO}/METADATA": METADATA + b"Requires-Dist: other @ file:///etc/passwd\n"})
