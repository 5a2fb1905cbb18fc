"""Never come back from the import."""

from tests.hostile.wheel_parts import Wheel, wheel_with

REFUSED = "time-limit"
SAID = "8 seconds"
SECONDS = 8


_DEMO = b"""
import time
while True:
    time.sleep(3600)
"""


def make() -> Wheel:
    return wheel_with(**{"demo.py": _DEMO})
