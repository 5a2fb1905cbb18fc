"""Have a link to a file of the host, for installers that make links."""

import stat

from tests.hostile.wheel_parts import Wheel, special

REFUSED = "untrusted-output"
SAID = "is a symbolic link"


def make() -> Wheel:
    return special("demo/passwd", stat.S_IFLNK | 0o777)
