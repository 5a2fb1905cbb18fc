"""A small Simple API on loopback that serves what a test lists and misbehaves when told to."""

import base64
import hashlib
import html
import json
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

JSON_TYPE = "application/vnd.pypi.simple.v1+json"


@dataclass(kw_only=True)
class Shop:
    """What the loopback index serves, and how it misbehaves."""

    files: list[dict[str, Any]] = field(default_factory=list)
    contents: dict[str, bytes] = field(default_factory=dict)
    faults: deque[str] = field(default_factory=deque)
    seen: list[str] = field(default_factory=list)
    as_html: bool = False
    etag: str | None = None
    url: str = ""
    projects: set[str] = field(default_factory=lambda: {"demo"})
    """Projects that have a page; it lists every file, whosever it is, as readers must sort out."""
    login: tuple[str, str] | None = None
    """User and password that every request must show."""
    signatures: list[str] = field(default_factory=list)
    """The Authorization header of each request, empty if it had none."""

    def add(self, filename: str, content: bytes = b"", **facts: object) -> str:
        digest = hashlib.sha256(content).hexdigest()
        entry = {"filename": filename, "url": f"../../files/{filename}", "hashes": {"sha256": digest}}
        self.files.append({**entry, **facts})
        self.contents[filename] = content
        return digest

    def requests(self, part: str) -> int:
        return sum(part in path for path in self.seen)

    def page(self, project: str = "demo") -> tuple[str, bytes]:
        if not self.as_html:
            page = {"meta": {"api-version": "1.1"}, "name": project, "files": self.files, "versions": []}
            return JSON_TYPE, json.dumps(page).encode()
        return "text/html; charset=utf-8", "".join(map(_link, self.files)).encode()


def _link(entry: dict[str, Any]) -> str:
    yanked = f' data-yanked="{html.escape(entry["yanked"])}"' if entry.get("yanked") else ""
    python = f' data-requires-python="{html.escape(entry["requires-python"])}"' if "requires-python" in entry else ""
    address = f"{entry['url']}#sha256={entry['hashes'].get('sha256', '')}"
    return f'<a href="{address}"{yanked}{python}>{entry["filename"]}</a><br/>'


def _basic(login: tuple[str, str]) -> str:
    return "Basic " + base64.b64encode(":".join(login).encode()).decode()


class _Handler(BaseHTTPRequestHandler):
    shop: Shop

    def do_GET(self) -> None:
        self.shop.seen.append(self.path)
        signature = self.headers.get("Authorization", "")
        self.shop.signatures.append(signature)
        if self.shop.login is not None and signature != _basic(self.shop.login):
            self._answer(401, "text/plain", b"", {"WWW-Authenticate": "Basic"})
            return
        fault = self.shop.faults.popleft() if self.shop.faults else ""
        if fault.isdigit():
            self._answer(int(fault), "text/plain", b"fault")
        elif fault == "slow":
            time.sleep(1)
        elif (project := self.path.removeprefix("/simple/").rstrip("/")) in self.shop.projects:
            self._page(fault, project)
        elif self.path == "/simple/moved/":
            self._answer(302, "text/plain", b"", {"Location": "/simple/demo/"})
        elif (name := self.path.removeprefix("/files/")) in self.shop.contents:
            self._file(self.shop.contents[name], fault)
        else:
            self._answer(404, "text/plain", b"")

    def _page(self, fault: str, project: str) -> None:
        if self.shop.etag and self.headers.get("If-None-Match") == self.shop.etag:
            self._answer(304, JSON_TYPE, b"")
            return
        kind, body = (JSON_TYPE, b"{nonsense") if fault == "garbage" else self.shop.page(project)
        self._answer(200, kind, body, {"ETag": self.shop.etag} if self.shop.etag else {})

    def _file(self, content: bytes, fault: str) -> None:
        if fault == "altered":
            content = content[::-1]
        self._answer(200, "application/octet-stream", content, truncated=fault == "truncated")

    def _answer(
        self, status: int, kind: str, body: bytes, headers: dict[str, str] | None = None, *, truncated: bool = False
    ) -> None:
        self.send_response(status)
        for key, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if truncated else body)

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class names it so
        pass


@contextmanager
def open_shop() -> Iterator[Shop]:
    shop = Shop()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("ShopHandler", (_Handler,), {"shop": shop}))
    shop.url = f"http://127.0.0.1:{server.server_port}/simple/"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield shop
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
