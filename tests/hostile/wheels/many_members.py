"""Have more members than any project has."""

import io
import zipfile

from tests.hostile.wheel_parts import Wheel

REFUSED = "untrusted-output"
SAID = "has 100001 members"


def make() -> Wheel:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as bundle:
        for number in range(100_001):
            bundle.writestr(zipfile.ZipInfo(str(number)), b"")
    return buffer.getvalue()
