"""Never come back, ignore every signal, and leave children in sessions of their own."""

from tests.hostile.wheel_parts import Wheel, wheel_with

REFUSED = "time-limit"
SAID = "8 seconds"
SECONDS = 8


_DEMO = b"""
import os, signal, time
for _ in range(4):
    if os.fork() == 0:
        os.setsid()
        break
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
time.sleep(3600)
"""


def make() -> Wheel:
    return wheel_with(**{"demo.py": _DEMO})
