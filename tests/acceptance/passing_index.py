"""The real upstream index under a plain address of the loopback, for image builds, which do not know this host's CA.

Also a program, ``python -m tests.acceptance.passing_index``: it prints its address and serves until it is interrupted.
"""

import json
import signal
import ssl
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final
from urllib.parse import quote, unquote, urljoin

import httpx

from wheelyard.settings import Settings

_JSON: Final = "application/vnd.pypi.simple.v1+json"
_FILES: Final = "/files/"


@contextmanager
def open_passing_index() -> Iterator[str]:
    """Serve the upstream index until the block ends; gives the address of its Simple API."""
    with _open_client() as upstream:
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("PassingHandler", (_Handler,), {"upstream": upstream}))
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/simple/"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def _open_client() -> httpx.Client:
    return httpx.Client(verify=ssl.create_default_context(), follow_redirects=True, timeout=60)


class _Handler(BaseHTTPRequestHandler):
    upstream: httpx.Client

    def do_GET(self) -> None:
        answer = self._ask()
        body = answer.content
        if answer.headers.get("Content-Type", "").startswith(_JSON):
            body = _with_files_from_here(body, page=str(answer.url))
        self._pass_on(answer, len(body))
        self.wfile.write(body)

    def do_HEAD(self) -> None:
        answer = self._ask()
        self._pass_on(answer, int(answer.headers.get("Content-Length", 0)))

    def _ask(self) -> httpx.Response:
        if self.path.startswith(_FILES):
            return self.upstream.request(self.command, unquote(self.path.removeprefix(_FILES)))
        project = self.path.strip("/").rpartition("/")[2]
        page = urljoin(Settings().upstream_index_url, f"{project}/")
        return self.upstream.request(self.command, page, headers={"Accept": _JSON})

    def _pass_on(self, answer: httpx.Response, length: int) -> None:
        self.send_response(answer.status_code)
        self.send_header("Content-Type", answer.headers.get("Content-Type", ""))
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class names it so
        """Stay silent."""


def _with_files_from_here(body: bytes, *, page: str) -> bytes:
    """Let every file of a page come through us, too."""
    document = json.loads(body)
    for file in document["files"]:
        file["url"] = _FILES + quote(urljoin(page, file["url"]), safe="")
    return json.dumps(document).encode()


if __name__ == "__main__":
    with open_passing_index() as url:
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
