"""git repositories on the loopback over HTTP; a host of private ones asks for a user and a password."""

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.parser import BytesHeaderParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from httpx import BasicAuth, Request


@contextmanager
def git_host(root: Path, *, user: str = "", password: str = "") -> Iterator[str]:
    """Serve the repositories below a folder with git's own CGI program; gives the address without user and password."""
    expected = next(BasicAuth(user, password).auth_flow(Request("GET", "http://git"))).headers["Authorization"]
    programs = subprocess.run(["git", "--exec-path"], check=True, capture_output=True, text=True).stdout.strip()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if user and self.headers.get("Authorization") != expected:
                self._answer(401, {"WWW-Authenticate": 'Basic realm="git"'}, b"")
                return
            address = urlsplit(self.path)
            environment = {
                "PATH": os.environ["PATH"],
                "GIT_PROJECT_ROOT": str(root),
                "GIT_HTTP_EXPORT_ALL": "1",
                "REQUEST_METHOD": self.command,
                "PATH_INFO": address.path,
                "QUERY_STRING": address.query,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            }
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            done = subprocess.run([f"{programs}/git-http-backend"], env=environment, input=body, capture_output=True)  # noqa: PLW1510  (what it says is the answer)
            head, _, content = done.stdout.partition(b"\r\n\r\n")
            headers = dict(BytesHeaderParser().parsebytes(head).items())
            self._answer(int(headers.pop("Status", "200").split()[0]), headers, content)

        def do_POST(self) -> None:
            self.do_GET()

        def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
