"""Have a pipe, at which a reader would wait for ever."""

import stat

from tests.hostile.wheel_parts import Wheel, special

REFUSED = "untrusted-output"
SAID = "is a pipe"


def make() -> Wheel:
    return special("demo/pipe", stat.S_IFIFO | 0o666)
