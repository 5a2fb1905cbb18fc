"""Bring data that is installed over the settings of a virtual environment, which say where its Python is."""

from tests.hostile.wheel_parts import Wheel, wheel_with

REFUSED = "untrusted-output"
SAID = "its file 'pyvenv.cfg' would take the place of the Python that it is installed for"


def make() -> Wheel:
    return wheel_with(**{"demo-1.0.data/data/pyvenv.cfg": b"home = /tmp\n"})
