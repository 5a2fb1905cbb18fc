"""Start processes without end while it is imported."""

from tests.hostile.wheel_parts import Wheel, wheel_with

REFUSED = "process-limit"
SAID = "64 processes and threads"


_DEMO = b"""
import os, time
while True:
    if os.fork() == 0:
        time.sleep(3600)
"""


def make() -> Wheel:
    return wheel_with(**{"demo.py": _DEMO})
