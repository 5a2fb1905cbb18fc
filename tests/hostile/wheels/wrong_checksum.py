"""Have another checksum than its bytes have, for installers that do not compare it."""

import zlib

from tests.hostile.wheel_parts import Wheel, wheel_with

REFUSED = "untrusted-output"
SAID = "Bad CRC-32"


def make() -> Wheel:
    checksum = zlib.crc32(b"hostile").to_bytes(4, "little")
    return wheel_with(**{"demo/a.py": b"hostile"}).replace(checksum, bytes(4))
