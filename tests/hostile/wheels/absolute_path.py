"""Be installed into the root."""

from tests.hostile.wheel_parts import Wheel, wheel_with

REFUSED = "untrusted-output"
SAID = "has an absolute path"


def make() -> Wheel:
    return wheel_with(**{"/etc/evil": b""})
