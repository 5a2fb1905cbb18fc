"""Bring two members for one place, of which installers keep the one or the other."""

from tests.hostile.wheel_parts import Wheel, wheel_with

REFUSED = "untrusted-output"
SAID = "would be installed as one file"


def make() -> Wheel:
    return wheel_with(**{"demo-1.0.data/purelib/demo.py": b"import os"})
