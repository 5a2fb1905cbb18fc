"""Build contexts: the files that an image build sees, as one tar stream.

A tar on standard input works with a remote engine, and with a worker that is itself a container.
"""

import asyncio
import io
import re
import tarfile
import tempfile
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

_CHUNK_BYTES: Final = 1 << 20
_CERTIFICATE: Final = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


@dataclass(frozen=True, kw_only=True, slots=True)
class ContextFile:
    """One file of a build context: its name there, and its content or the path of it."""

    name: str
    content: bytes | Path


def certificate_files(bundle: bytes) -> tuple[ContextFile, ...]:
    """Split a PEM bundle: update-ca-certificates can hash only files with exactly one certificate.

    https://github.com/gliderlabs/docker-alpine/issues/30
    """
    certificates = enumerate(_CERTIFICATE.findall(bundle))
    return tuple(ContextFile(name=f"ca/{number:03}.crt", content=text + b"\n") for number, text in certificates)


async def stream_context(files: Iterable[ContextFile], *, folders: Iterable[str] = ()) -> AsyncIterator[bytes]:
    """Yield a tar of the files. Folders exist in it even if they are empty, because COPY needs its source."""
    with tempfile.TemporaryFile() as spool:
        await asyncio.to_thread(_write, spool, sorted(files, key=lambda file: file.name), sorted(folders))
        while chunk := await asyncio.to_thread(spool.read, _CHUNK_BYTES):
            yield chunk


async def stream_file(path: Path) -> AsyncIterator[bytes]:
    """Yield a file's content in chunks."""
    with await asyncio.to_thread(path.open, "rb") as stream:
        while chunk := await asyncio.to_thread(stream.read, _CHUNK_BYTES):
            yield chunk


def _write(spool: IO[bytes], files: list[ContextFile], folders: list[str]) -> None:
    # No owner and no time, so that the engine's cache recognises the same files.
    with tarfile.open(fileobj=spool, mode="w") as tar:
        for folder in folders:
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        for file in files:
            content = file.content if isinstance(file.content, bytes) else file.content.read_bytes()
            entry = tarfile.TarInfo(file.name)
            entry.size, entry.mode = len(content), 0o644
            tar.addfile(entry, io.BytesIO(content))
    spool.seek(0)
