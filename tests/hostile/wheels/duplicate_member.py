"""Have a file twice, so that scanners and installers see different ones."""

from tests.hostile.wheel_parts import Wheel, wheel_with

REFUSED = "untrusted-output"
SAID = "twice"


def make() -> Wheel:
    return wheel_with(**{"demo/aa.py": b"1", "demo/ab.py": b"2"}).replace(b"demo/ab.py", b"demo/aa.py")
