"""A mirror on loopback that serves the files that a test puts there, and records what is asked for."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(kw_only=True)
class Mirror:
    """What the mirror has."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    """Contents, by path without the leading slash."""
    asked: list[str] = field(default_factory=list)
    """The paths of all requests, with the range that each asked for."""


@contextmanager
def serve_files() -> Iterator[Mirror]:
    """Serve a mirror until the block ends."""
    mirror = Mirror()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.lstrip("/")
            asked = self.headers.get("Range", "")
            mirror.asked.append(f"{path} {asked}".strip())
            content = mirror.files.get(path)
            if content is None:
                self.send_error(404)
                return
            begin, _, end = asked.removeprefix("bytes=").partition("-")
            part = content[int(begin) : int(end) + 1] if asked else content
            self.send_response(206 if asked else 200)
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()[:12]}"')
            self.send_header("Content-Length", str(len(part)))
            if asked:
                self.send_header("Content-Range", f"bytes {begin}-{int(begin) + len(part) - 1}/{len(content)}")
            self.end_headers()
            self.wfile.write(part)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        mirror.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield mirror
        finally:
            server.shutdown()
            thread.join()
