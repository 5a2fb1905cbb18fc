"""A small upstream index on the loopback, with projects of our own that need nothing but a Python to build.

Each has its build backend inside (PEP 517, ``backend-path``) and says by a few lines of code how its build goes.
"""

import base64
import gzip
import hashlib
import io
import json
import tarfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

VERSION: Final = "1.0"
_JSON: Final = "application/vnd.pypi.simple.v1+json"
_PYPROJECT: Final = """
[build-system]
requires = {requires}
build-backend = "backend"
backend-path = ["."]
"""
_BACKEND: Final = """
import base64, hashlib, os, subprocess, sys, sysconfig, time, zipfile

def build_wheel(directory, config_settings=None, metadata_directory=None):
    tag, compiled = "py3-none-any", {{}}
    {act}
    pure = "false" if compiled else "true"
    files = {{
        "{name}.py": b"ANSWER = 42\\n",
        "{info}/METADATA": b"Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n{needs}",
        "{info}/WHEEL": f"Wheel-Version: 1.0\\nGenerator: here\\nRoot-Is-Purelib: {{pure}}\\nTag: {{tag}}\\n".encode(),
        **compiled,
    }}
    record = "".join(f"{{path}},sha256={{digest(content)}},{{len(content)}}\\n" for path, content in files.items())
    wheel = f"{name}-{version}-{{tag}}.whl"
    with zipfile.ZipFile(os.path.join(directory, wheel), "w") as bundle:
        for path, content in {{**files, "{info}/RECORD": record + "{info}/RECORD,,\\n"}}.items():
            bundle.writestr(path, content)
    return wheel

def digest(content):
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
"""

QUICK: Final = "print('quick')"
SLOW: Final = "for second in range(8): print('tick', second, flush=True); time.sleep(1)"
MISSING_HEADER: Final = (
    "open('m.c', 'w').write('#include <nowhere-to-be-found.h>\\n'); subprocess.run(['cc', '-c', 'm.c'], check=True)"
)
_EXTENSION: Final = (
    r"open('NAME.c', 'w').write('#include <Python.h>\n#include <unistd.h>\n' "
    r"'static struct PyModuleDef d = {PyModuleDef_HEAD_INIT, \"NAME\"};\n' "
    r"'PyMODINIT_FUNC PyInit_NAME(void) {return getpid() ? PyModule_Create(&d) : 0;}\n'); "
    "abi3 = 'NAME' == '_stable'; limit = ['-DPy_LIMITED_API=0x030B0000'] if abi3 else []; "
    "end = '.abi3.so' if abi3 else sysconfig.get_config_var('EXT_SUFFIX'); "
    "subprocess.run(['cc', '-shared', '-fPIC', *limit, '-I', sysconfig.get_path('include'), "
    "'NAME.c', '-o', 'NAME' + end], check=True); "
    "compiled['NAME' + end] = open('NAME' + end, 'rb').read(); "
    "python = 'cp' + sysconfig.get_config_var('py_version_nodot'); "
    "tag = ('cp311-abi3' if abi3 else python + '-' + python) + '-linux_' + os.uname().machine"
)
ABI3: Final = _EXTENSION.replace("NAME", "_stable")
"""Compiles an extension module ``_stable`` for the stable ABI; auditwheel wants one that needs something of libc."""
NATIVE: Final = _EXTENSION.replace("NAME", "_native")
"""Compiles an extension module ``_native`` for the very Python that it is built with."""


@dataclass(kw_only=True)
class Upstream:
    """What the index holds."""

    url: str = ""
    """Address of its Simple API."""
    files: dict[str, bytes] = field(default_factory=dict)
    """By file name."""
    held: set[str] = field(default_factory=set)
    """Projects whose files nobody gets for now."""
    login: str = ""
    """``user:password`` that every request must show; empty if none is needed."""

    def add(
        self,
        project: str,
        act: str = QUICK,
        *,
        requires: Sequence[str] = (),
        needs: Sequence[str] = (),
        is_stated: bool = True,
    ) -> str:
        """Put an sdist of a new project up, whose build does this; return a requirement of it.

        It ``requires`` projects to be built, and its wheel ``needs`` others to run, which the sdist states or not.
        """
        sdist = make_sdist(project, act, requires=requires, needs=needs, is_stated=is_stated)
        self.files[f"{project}-{VERSION}.tar.gz"] = sdist
        return f"{project}=={VERSION}"

    def page(self, project: str) -> bytes | None:
        """Make a project's page (PEP 691); None if there is no such project."""
        entries = [
            {"filename": name, "url": f"/files/{name}", "hashes": {"sha256": hashlib.sha256(content).hexdigest()}}
            for name, content in self.files.items()
            if name.startswith((f"{project}-{VERSION}.", f"{project}-{VERSION}-"))
        ]
        if not entries:
            return None
        return json.dumps({"meta": {"api-version": "1.0"}, "name": project, "files": entries}).encode()


def make_sdist(  # noqa: PLR0913  a test names only what it is about
    project: str,
    act: str,
    *,
    requires: Sequence[str] = (),
    needs: Sequence[str] = (),
    is_stated: bool = True,
    pythons: str = "",
) -> bytes:
    """Pack a project whose name is one word, each time to the same bytes; ``pythons`` is its Requires-Python."""
    root, metadata = f"{project}-{VERSION}", f"Metadata-Version: 2.2\nName: {project}\nVersion: {VERSION}\n"
    metadata += f"Requires-Python: {pythons}\n" if pythons else ""
    metadata += "".join(f"Requires-Dist: {one}\n" for one in needs if is_stated)
    lines = "".join(f"Requires-Dist: {one}\\n" for one in needs)
    backend = _BACKEND.format(act=act, name=project, version=VERSION, info=f"{root}.dist-info", needs=lines)
    pyproject = _PYPROJECT.format(requires=json.dumps(list(requires)))
    files = {"pyproject.toml": pyproject, "backend.py": backend, "PKG-INFO": metadata}
    packed = io.BytesIO()
    with (
        gzip.GzipFile(filename="", fileobj=packed, mode="wb", mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w") as archive,
    ):
        for name, text in files.items():
            member = tarfile.TarInfo(f"{root}/{name}")
            member.size, member.mtime = len(text.encode()), 1_700_000_000
            archive.addfile(member, io.BytesIO(text.encode()))
    return packed.getvalue()


@contextmanager
def open_upstream(address: str = "127.0.0.1") -> Iterator[Upstream]:
    """Serve an empty index until the block ends."""
    upstream = Upstream()
    server = ThreadingHTTPServer((address, 0), type("UpstreamHandler", (_Handler,), {"upstream": upstream}))
    upstream.url = f"http://{address}:{server.server_port}/simple/"
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
        wanted = f"Basic {base64.b64encode(self.upstream.login.encode()).decode()}"
        if self.upstream.login and self.headers.get("Authorization") != wanted:
            self.send_response(401)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        while kind == "files" and name.partition("-")[0] in self.upstream.held:
            time.sleep(0.05)
        body = self.upstream.page(name) if kind == "simple" else self.upstream.files.get(name)
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Type", _JSON if kind == "simple" else "application/octet-stream")
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body or b"")

    def do_HEAD(self) -> None:
        """Answer as to GET, without a body: uv asks so whether it can read a wheel in parts."""
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class names it so
        """Stay silent."""
