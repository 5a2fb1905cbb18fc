"""Pack a source project into an sdist: the same bytes for the same files, on every machine and at any time."""

import gzip
import io
import tarfile
from pathlib import Path
from typing import Final

PACKAGES: Final = Path(__file__).parent
VERSION: Final = "1.0"
_MODIFIED: Final = 1_700_000_000


def sdist_name(project: str) -> str:
    """Name a project's sdist (PEP 625)."""
    return f"{_stem(project)}.tar.gz"


def make_sdist(folder: Path) -> bytes:
    """Pack a folder, whose name is its project's, under one top folder and with a PKG-INFO (PEP 643)."""
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if _is_source(path)}
    files["PKG-INFO"] = f"Metadata-Version: 2.2\nName: {folder.name}\nVersion: {VERSION}\n".encode()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in sorted(files.items()):
            member = tarfile.TarInfo(f"{_stem(folder.name)}/{name}")
            member.size, member.mtime = len(content), _MODIFIED
            tar.addfile(member, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), mtime=0)


def _stem(project: str) -> str:
    return f"{project.replace('-', '_')}-{VERSION}"


def _is_source(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts
