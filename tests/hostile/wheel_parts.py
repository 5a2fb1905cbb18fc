"""What hostile wheels are made of: a sound wheel of ``demo`` 1.0, and ways to spoil it."""

import io
import zipfile
from typing import Final

from tests.unit.pipeline_harness import PURE, info_folder, make_wheel, pack_wheel

INFO: Final = info_folder(PURE)
METADATA: Final = b"Metadata-Version: 2.4\nName: demo\nVersion: 1.0\n"

Wheel = bytes


def wheel_with(**members: bytes) -> Wheel:
    """Make a wheel that is sound but for these members, which its RECORD lists."""
    return pack_wheel(PURE, {"demo.py": b"", f"{INFO}/METADATA": METADATA, **members})


def zipped(*members: tuple[zipfile.ZipInfo, bytes]) -> Wheel:
    """Add raw members to a sound wheel, behind its RECORD's back."""
    buffer = io.BytesIO(make_wheel())
    with zipfile.ZipFile(buffer, "a") as bundle:
        for info, content in members:
            bundle.writestr(info, content)
    return buffer.getvalue()


def special(name: str, mode: int) -> Wheel:
    """Make a wheel with a member of a special mode."""
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return zipped((info, b"/etc/passwd"))
