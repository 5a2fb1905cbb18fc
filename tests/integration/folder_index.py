"""A Simple API (PEP 503) over a folder, on loopback: wheels and sdists that have nothing but metadata."""

import hashlib
import io
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class FolderIndex:
    """What is served, and where."""

    folder: Path
    url: str

    def add_wheel(self, filename: str, *metadata: str) -> None:
        """Put a wheel up that says this of itself."""
        name, version, *_ = filename.split("-")
        info = f"{name}-{version}.dist-info"
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as wheel:
            wheel.writestr(f"{info}/METADATA", _metadata(name, version, metadata))
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\n")
            wheel.writestr(f"{info}/RECORD", "")
        self.add(name, filename, packed.getvalue())

    def add_sdist(self, name: str, version: str, setup: str) -> None:
        """Put an sdist up that has to run its own code to say what it needs."""
        files = {"PKG-INFO": _metadata(name, version, ()), "setup.py": setup}
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            for path, text in files.items():
                member = tarfile.TarInfo(f"{name}-{version}/{path}")
                member.size = len(text.encode())
                archive.addfile(member, io.BytesIO(text.encode()))
        self.add(name, f"{name}-{version}.tar.gz", packed.getvalue())

    def add(self, name: str, filename: str, content: bytes) -> None:
        """Put any file of a project up."""
        folder = self.folder / "simple" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / filename).write_bytes(content)
        files = sorted(file for file in folder.iterdir() if file.name != "index.html")
        links = (f'<a href="{file.name}#sha256={_sha256(file)}">{file.name}</a>' for file in files)
        (folder / "index.html").write_text("<!DOCTYPE html><body>" + "".join(links))


@contextmanager
def folder_index(folder: Path) -> Iterator[FolderIndex]:
    """Serve a folder until the block ends."""
    handler = partial(_SilentHandler, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield FolderIndex(folder=folder, url=f"http://127.0.0.1:{server.server_port}/simple/")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _metadata(name: str, version: str, lines: tuple[str, ...]) -> str:
    return "\n".join(["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *lines, ""])


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


class _SilentHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class names it so
        """Stay silent."""
