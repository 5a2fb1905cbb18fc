"""Run code whenever Python starts, imported or not."""

from tests.hostile.wheel_parts import Wheel, wheel_with

HARMLESS = "Some projects need that: it is published, and its report warns of it."
WARNS = "Python runs 'demo.pth' of it at each of its starts, imported or not."


def make() -> Wheel:
    return wheel_with(**{"demo.pth": b"import demo\n"})
