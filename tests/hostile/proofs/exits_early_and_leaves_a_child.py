"""End the interpreter at import, and leave a child that would fail later."""

from tests.hostile.wheel_parts import Wheel, wheel_with

REFUSED = "verify-failed"
SAID = "import demo: it ended the interpreter with code 0"


_DEMO = b"""
import os, time
if os.fork():
    os._exit(0)
os.setsid()
time.sleep(3600)
"""


def make() -> Wheel:
    return wheel_with(**{"demo.py": _DEMO})
