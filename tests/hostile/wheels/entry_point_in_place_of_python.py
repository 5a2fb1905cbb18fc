"""Have installers make a program that takes the place of their own Python."""

from tests.hostile.wheel_parts import INFO, Wheel, wheel_with

REFUSED = "untrusted-output"
SAID = "its file 'python' would take the place of the Python that it is installed for"


def make() -> Wheel:
    return wheel_with(**{f"{INFO}/entry_points.txt": b"[ gui_scripts ]\n# none\npython=demo:main\n"})
