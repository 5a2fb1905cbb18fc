"""Have a member that the directory does not list, for installers that read a wheel as it comes."""

import io
import zipfile

from tests.hostile.sdist_parts import MARK
from tests.hostile.wheel_parts import Wheel
from tests.unit.pipeline_harness import make_wheel

REFUSED = "untrusted-output"
SAID = "bytes in front of its first member"


def make() -> Wheel:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as bundle:
        bundle.writestr("hidden.py", MARK)
    hidden = buffer.getvalue()
    return hidden[: hidden.index(b"PK\x01\x02")] + make_wheel()
