"""Have bytes behind the directory, where some readers look for another one."""

from tests.hostile.wheel_parts import Wheel
from tests.unit.pipeline_harness import make_wheel

REFUSED = "untrusted-output"
SAID = "bytes behind its directory"


def make() -> Wheel:
    return make_wheel() + b"more"
