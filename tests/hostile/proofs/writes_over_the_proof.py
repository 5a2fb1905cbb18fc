"""Write over all that the proof is made of: the installer, the wheel, the environment, other modules."""

from tests.hostile.wheel_parts import Wheel, wheel_with

REFUSED = "verify-failed"
SAID = "importing a_writer changed "


_WRITER = b"""
import os
for folder, _, names in os.walk("/scratch"):
    for name in names:
        try:
            with open(f"{folder}/{name}", "wb") as file:
                file.write(b"#!/bin/sh\\nexit 0\\n")
        except OSError:
            pass
"""


def make() -> Wheel:
    return wheel_with(**{"a_writer.py": _WRITER, "demo.py": b"raise ImportError('it is broken')\n"})
