"""Have Python call a function at each of its starts, the way that replaces lines of code in .pth files (PEP 829)."""

from tests.hostile.wheel_parts import Wheel, wheel_with

HARMLESS = "It is published, and its report says what is called."
WARNS = (
    "Python runs 'demo.start' of it at each of its starts, imported or not. From Python 3.15 on it calls 'demo:main'."
)


def make() -> Wheel:
    return wheel_with(**{"demo.start": b"demo:main\n"})
