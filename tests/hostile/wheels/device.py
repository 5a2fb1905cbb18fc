"""Have a device node."""

import stat

from tests.hostile.wheel_parts import Wheel, special

REFUSED = "untrusted-output"
SAID = "is a device"


def make() -> Wheel:
    return special("demo/null", stat.S_IFCHR | 0o666)
