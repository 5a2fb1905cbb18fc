"""Bring a program that is installed over the Python of whoever installs it."""

from tests.hostile.wheel_parts import Wheel, wheel_with

REFUSED = "untrusted-output"
SAID = "its file 'python3' would take the place of the Python that it is installed for"


def make() -> Wheel:
    return wheel_with(**{"demo-1.0.data/scripts/python3": b"#!python\n"})
