"""Have a descriptor behind a member's bytes that says other sizes than the zip file's directory."""

import io
import struct
import zipfile
from typing import NoReturn

from tests.hostile.sdist_parts import FOLDER, Archive

HARMLESS = "The directory counts: descriptors are not read."
_SIZES = 8
"""Where they are in a descriptor."""


def make() -> Archive:
    stream = _Stream()
    with zipfile.ZipFile(stream, "w") as bundle:
        bundle.writestr(f"{FOLDER}/setup.py", b"pass")
    content = stream.getvalue()
    start = content.index(b"PK\x07\x08") + _SIZES
    lie = struct.pack("<LL", 1 << 31, 1 << 31)
    return "demo-1.0.zip", content[:start] + lie + content[start + len(lie) :]


class _Stream(io.BytesIO):
    def tell(self) -> NoReturn:
        """Be a pipe: zipfile puts descriptors where it cannot go back."""
        raise OSError
