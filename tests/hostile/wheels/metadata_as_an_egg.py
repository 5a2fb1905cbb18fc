"""Bring the metadata of another project as setuptools once wrote it, in capitals."""

from tests.hostile.wheel_parts import Wheel, wheel_with

REFUSED = "untrusted-output"
SAID = "would be taken for the metadata of another distribution"


def make() -> Wheel:
    return wheel_with(**{"Requests.EGG-INFO": b"Name: requests\nVersion: 99.0\n"})
