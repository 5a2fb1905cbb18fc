"""Have an extension module whose tables lead nowhere, for whoever parses it."""

from tests.hostile.wheel_parts import Wheel, wheel_with

STAGE = "repair"
REFUSED = "repair-failed"
SAID = "auditwheel could not audit it"


def make() -> Wheel:
    return wheel_with(**{"demo/broken.so": b"\x7fELF\x02\x01\x01" + b"\xff" * 200})
