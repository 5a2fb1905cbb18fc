"""Be another release inside than its file name says."""

from tests.hostile.wheel_parts import Wheel
from tests.unit.pipeline_harness import make_wheel

REFUSED = "untrusted-output"
SAID = "METADATA says demo 99.0"


def make() -> Wheel:
    return make_wheel(version="99.0")
