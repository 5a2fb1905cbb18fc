"""A small upstream index on the loopback, with projects of our own that need nothing but a Python to build.

Each has its build backend inside (PEP 517, ``backend-path``) and says by a few lines of code how its build goes.
"""

import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

VERSION: Final = "1.0"
_JSON: Final = "application/vnd.pypi.simple.v1+json"
_PYPROJECT: Final = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""
_BACKEND: Final = '''
import base64, hashlib, os, subprocess, sys, time, zipfile

def build_wheel(directory, config_settings=None, metadata_directory=None):
    {act}
    files = {{
        "{name}.py": "ANSWER = 42\\n",
        "{info}/METADATA": "Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n",
        "{info}/WHEEL": "Wheel-Version: 1.0\\nGenerator: here\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }}
    record = "".join(f"{{path}},sha256={{digest(text)}},{{len(text)}}\\n" for path, text in files.items())
    wheel = "{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(directory, wheel), "w") as bundle:
        for path, text in {{**files, "{info}/RECORD": record + "{info}/RECORD,,\\n"}}.items():
            bundle.writestr(path, text)
    return wheel

def digest(text):
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
'''

QUICK: Final = "print('quick')"
SLOW: Final = "for second in range(8): print('tick', second, flush=True); time.sleep(1)"
MISSING_HEADER: Final = (
    "open('m.c', 'w').write('#include <nowhere-to-be-found.h>\\n'); "
    "subprocess.run(['cc', '-c', 'm.c'], check=True)"
)


@dataclass(kw_only=True)
class Upstream:
    """What the index holds."""

    url: str = ""
    """Address of its Simple API."""
    files: dict[str, bytes] = field(default_factory=dict)
    """By file name."""

    def add(self, project: str, act: str = QUICK) -> str:
        """Put an sdist of a new project up, whose build does this; return a requirement of it."""
        self.files[f"{project}-{VERSION}.tar.gz"] = make_sdist(project, act)
        return f"{project}=={VERSION}"

    def page(self, project: str) -> bytes | None:
        """Make a project's page (PEP 691); None if there is no such project."""
        filename = f"{project}-{VERSION}.tar.gz"
        if filename not in self.files:
            return None
        digest = hashlib.sha256(self.files[filename]).hexdigest()
        entry = {"filename": filename, "url": f"/files/{filename}", "hashes": {"sha256": digest}}
        return json.dumps({"meta": {"api-version": "1.0"}, "name": project, "files": [entry]}).encode()


def make_sdist(project: str, act: str) -> bytes:
    """Pack a project whose name is one word."""
    root, metadata = f"{project}-{VERSION}", f"Metadata-Version: 2.1\nName: {project}\nVersion: {VERSION}\n"
    backend = _BACKEND.format(act=act, name=project, version=VERSION, info=f"{root}.dist-info")
    files = {"pyproject.toml": _PYPROJECT, "backend.py": backend, "PKG-INFO": metadata}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(f"{root}/{name}")
            member.size, member.mtime = len(text.encode()), 1_700_000_000
            archive.addfile(member, io.BytesIO(text.encode()))
    return packed.getvalue()


@contextmanager
def open_upstream() -> Iterator[Upstream]:
    """Serve an empty index until the block ends."""
    upstream = Upstream()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("UpstreamHandler", (_Handler,), {"upstream": upstream}))
    upstream.url = f"http://127.0.0.1:{server.server_port}/simple/"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield upstream
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    upstream: Upstream

    def do_GET(self) -> None:
        _, kind, name, *_ = self.path.split("/")
        body = self.upstream.page(name) if kind == "simple" else self.upstream.files.get(name)
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Type", _JSON if kind == "simple" else "application/octet-stream")
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class names it so
        """Stay silent."""
