"""Have a program that runs as its owner."""

import stat

from tests.hostile.wheel_parts import Wheel, special

REFUSED = "untrusted-output"
SAID = "is setuid or setgid"


def make() -> Wheel:
    return special("demo/tool", stat.S_IFREG | 0o4755)
