"""Have installers make a program outside of their folder for programs."""

from tests.hostile.wheel_parts import INFO, Wheel, wheel_with

REFUSED = "untrusted-output"
SAID = "its entry point '../../../../usr/bin/evil' is no plain file name"


def make() -> Wheel:
    text = b"[console_scripts]\n../../../../usr/bin/evil = demo:main\n"
    return wheel_with(**{f"{INFO}/entry_points.txt": text})
