"""End the interpreter at import as if all had gone well."""

from tests.hostile.wheel_parts import Wheel, wheel_with

REFUSED = "verify-failed"
SAID = "import demo: it ended the interpreter with code 0"


_DEMO = b"""
import os
os._exit(0)
"""


def make() -> Wheel:
    return wheel_with(**{"demo.py": _DEMO})
