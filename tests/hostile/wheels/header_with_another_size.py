"""Have a member whose own header says another size than the directory, for readers of the one or the other."""

import struct

from tests.hostile.wheel_parts import Wheel
from tests.unit.pipeline_harness import make_wheel

REFUSED = "untrusted-output"
SAID = "another size in its header than in the directory"


def make() -> Wheel:
    wheel = bytearray(make_wheel())
    struct.pack_into("<I", wheel, 22, 99)
    return bytes(wheel)
