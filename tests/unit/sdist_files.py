"""Sdists that others bring, made of their members."""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Mapping
from typing import Final

SDIST: Final = "demo-1.0.tar.gz"
PKG_INFO: Final = b"Metadata-Version: 2.4\nName: demo\nVersion: 1.0\n"
SETUP: Final[Mapping[str, bytes]] = {"demo-1.0/setup.py": b"from setuptools import setup\nsetup()\n"}


def pack_sdist(members: Mapping[str, bytes] = SETUP, *, metadata: bytes | None = PKG_INFO) -> bytes:
    """Pack members, and a PKG-INFO, as a .tar.gz; equal members give equal bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in _complete(members, metadata).items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), mtime=0)


def zip_sdist(members: Mapping[str, bytes] = SETUP, *, metadata: bytes | None = PKG_INFO) -> bytes:
    """Pack members, and a PKG-INFO, as a .zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, content in _complete(members, metadata).items():
            bundle.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


def _complete(members: Mapping[str, bytes], metadata: bytes | None) -> Mapping[str, bytes]:
    return {**members} if metadata is None else {"demo-1.0/PKG-INFO": metadata, **members}
