"""What hostile sdists are made of: archives of members of any kind, behind an ordinary one."""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Mapping
from typing import Final

MARK: Final = "hostile-was-here"
"""A file of this name must never appear outside of a sandbox."""
FOLDER: Final = "demo-1.0"

Archive = tuple[str, bytes]
"""A file name, and what is in the file."""


def tar_of(*members: tuple[tarfile.TarInfo, bytes], plain: bool = True) -> Archive:
    """Make an sdist of these members, behind an ordinary one."""
    buffer = io.BytesIO()
    ordinary = [(tarfile.TarInfo(f"{FOLDER}/setup.py"), b"")] if plain else []
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, content in (*ordinary, *members):
            if content:
                info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return "demo-1.0.tar.gz", gzip.compress(buffer.getvalue(), mtime=0)


def file(name: str, content: bytes = b"evil") -> tuple[tarfile.TarInfo, bytes]:
    """Make a regular member."""
    return tarfile.TarInfo(name), content


def special(name: str, kind: bytes, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    """Make a member that is no regular file."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info, b""


def raw_tar_of(*pieces: bytes, plain: bool = True) -> Archive:
    """Make an sdist of pieces that need not agree with each other, behind an ordinary one."""
    ordinary = [piece(tarfile.TarInfo(f"{FOLDER}/setup.py"))] if plain else []
    return "demo-1.0.tar.gz", gzip.compress(b"".join([*ordinary, *pieces]) + bytes(1024), mtime=0)


def piece(info: tarfile.TarInfo, content: bytes = b"") -> bytes:
    """Make a header and the blocks behind it, which need not be as many as it says."""
    return info.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % tarfile.BLOCKSIZE)


def pax_header(records: bytes) -> bytes:
    """Make an extended header, which holds for the member behind it."""
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, len(records)
    return piece(info, records)


def zip_of(members: Mapping[str, bytes], *further: tuple[zipfile.ZipInfo, bytes]) -> Archive:
    """Make an sdist as a zip file."""
    named: list[tuple[str | zipfile.ZipInfo, bytes]] = [*members.items(), *further]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, content in named:
            bundle.writestr(name, content)
    return "demo-1.0.zip", buffer.getvalue()


def announced(kind: bytes) -> Archive:
    """Make an sdist whose first header announces an extension of four gigabytes."""
    info = tarfile.TarInfo(f"{FOLDER}/setup.py")
    info.type, info.size = kind, 1 << 32
    return "demo-1.0.tar.gz", gzip.compress(piece(info) + bytes(10240), mtime=0)
