"""Bring the module that Python imports at each of its starts, as bytecode in a folder that a .pth file adds."""

from tests.hostile.wheel_parts import Wheel, wheel_with

HARMLESS = "It is published, and its report names both."
WARNS = "Python runs 'demo_more/sitecustomize.pyc' of it at each of its starts, imported or not."


def make() -> Wheel:
    return wheel_with(**{"demo.pth": b"demo_more\n", "demo_more/sitecustomize.pyc": b"no bytecode"})
