"""Have a whole member behind the listed ones, for installers that read a wheel as it comes."""

import io
import struct
import zipfile

from tests.hostile.sdist_parts import MARK
from tests.hostile.wheel_parts import Wheel
from tests.unit.pipeline_harness import make_wheel

REFUSED = "untrusted-output"
SAID = "that are in no member"


def make() -> Wheel:
    buffer, wheel = io.BytesIO(), make_wheel()
    with zipfile.ZipFile(buffer, "w") as bundle:
        bundle.writestr("hidden.py", MARK)
    hidden = buffer.getvalue().partition(b"PK\x01\x02")[0]
    directory, end = wheel.index(b"PK\x01\x02"), wheel.index(b"PK\x05\x06")
    ending = bytearray(wheel[end:])
    struct.pack_into("<I", ending, 16, directory + len(hidden))
    return wheel[:directory] + hidden + wheel[directory:end] + bytes(ending)
