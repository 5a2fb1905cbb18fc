"""Write without end while it is imported, and say nothing of the error."""

from tests.hostile.wheel_parts import Wheel, wheel_with

REFUSED = "verify-failed"
SAID = "import demo: ImportError: No space left on device"


_DEMO = b"""
import errno, os
error = None
for folder in ("/scratch", "/tmp", "/dev/shm"):
    try:
        with open(f"{folder}/filler", "wb", buffering=0) as file:
            while True:
                file.write(bytes(1 << 20))
    except OSError as found:
        error = error or found
raise ImportError(os.strerror(error.errno if error else 0))
"""


def make() -> Wheel:
    return wheel_with(**{"demo.py": _DEMO})
