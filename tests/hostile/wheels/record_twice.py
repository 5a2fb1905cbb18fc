"""Have RECORD say two things of one file."""

from tests.hostile.wheel_parts import INFO, METADATA, Wheel
from tests.unit.pipeline_harness import PURE, pack_wheel, record_of

REFUSED = "untrusted-output"
SAID = "twice"


def make() -> Wheel:
    members = {"demo.py": b"", f"{INFO}/METADATA": METADATA, f"{INFO}/WHEEL": b"Tag: py3-none-any\n"}
    record = record_of(members, INFO)
    return pack_wheel(PURE, {**members, f"{INFO}/RECORD": record + record})
