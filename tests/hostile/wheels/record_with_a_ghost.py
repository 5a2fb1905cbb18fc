"""Have RECORD list a file of others, so that uninstalling removes it."""

from tests.hostile.wheel_parts import INFO, METADATA, Wheel
from tests.unit.pipeline_harness import PURE, pack_wheel, record_of

REFUSED = "untrusted-output"
SAID = "its RECORD lists '../requests/__init__.py', which it does not have"


def make() -> Wheel:
    members = {"demo.py": b"", f"{INFO}/METADATA": METADATA, f"{INFO}/WHEEL": b"Tag: py3-none-any\n"}
    record = record_of({**members, "../requests/__init__.py": b""}, INFO)
    return pack_wheel(PURE, {**members, f"{INFO}/RECORD": record})
