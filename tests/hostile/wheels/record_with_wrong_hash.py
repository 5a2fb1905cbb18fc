"""Have another content than RECORD says."""

from tests.hostile.wheel_parts import INFO, METADATA, Wheel
from tests.unit.pipeline_harness import PURE, pack_wheel, record_of

REFUSED = "untrusted-output"
SAID = "its RECORD says something else of 'demo.py'"


def make() -> Wheel:
    members = {"demo.py": b"harmless", f"{INFO}/METADATA": METADATA, f"{INFO}/WHEEL": b"Tag: py3-none-any\n"}
    record = record_of(members, INFO)
    return pack_wheel(PURE, {**members, "demo.py": b"hostile!", f"{INFO}/RECORD": record})
