"""Have RECORD vouch with a hash that can be forged."""

from tests.hostile.wheel_parts import INFO, Wheel, wheel_with

REFUSED = "untrusted-output"
SAID = "its RECORD has no sha256"


def make() -> Wheel:
    record = f"demo.py,md5=1B2M2Y8AsgTpgAmY7PhCfg,0\n{INFO}/METADATA,,\n{INFO}/WHEEL,,\n{INFO}/RECORD,,\n".encode()
    return wheel_with(**{f"{INFO}/RECORD": record})
