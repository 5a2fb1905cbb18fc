"""Ctrl-C while a prebuild is awaited: a real signal to the real program, before a service that says nothing more."""

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.contract.samples import BEGINNING

from wheelyard.api.schemas.requests import RequestView
from wheelyard.cli.problem import ExitCode
from wheelyard.domain.prebuilds.prebuild import Prefer

REQUEST_ID = "7f8ec1a6-2f9e-4c4e-8f0a-3d54a4d7a001"
UNDER_WAY = RequestView(
    id=REQUEST_ID,
    url=f"/v1/requests/{REQUEST_ID}",
    requested_by="ci",
    created_at=BEGINNING,
    finished_at=None,
    cancelled=False,
    is_installable=False,
    needs_lock=False,
    install=None,
    seconds_left=None,
    webhook=None,
    prefer=Prefer.OWN,
    allow_skipped=False,
    counts={},
    builds=(),
    items=(),
    skipped=(),
)
OVER = UNDER_WAY.model_copy(update={"finished_at": BEGINNING, "is_installable": True})
WAIT_SECONDS = 60


class Service:
    """Answers as a service would, says nothing on the stream of events until it is let, and notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.followed = threading.Event()
        self.is_over = False
        self.leave = threading.Event()
        self.url = ""

    def answer(self, request: str) -> tuple[int, str, bytes]:
        self.asked.append(request)
        view = OVER if self.is_over else UNDER_WAY
        if request.endswith("/lock"):
            return (
                200,
                "application/json",
                json.dumps({"text": "locked", "files": {"my requirements.txt": "locked"}}).encode(),
            )
        if not request.endswith("/events"):
            return 202 if request.startswith("POST") else 200, "application/json", view.model_dump_json().encode()
        if not self.is_over:
            self.followed.set()
            self.leave.wait(WAIT_SECONDS)
        return 200, "text/event-stream", f"event: update\ndata: {view.model_dump_json()}\n\n".encode()


@contextmanager
def serving(service: Service) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, kind, body = service.answer(f"{self.command} {self.path}")
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Who was interrupted hangs up."""

    with Server(("127.0.0.1", 0), Handler) as server:
        service.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        service.leave.set()
        server.shutdown()


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    with serving(service):
        yield service


@pytest.fixture(autouse=True)
def _interruptible() -> Iterator[None]:
    """Let what is started hear SIGINT: a shell has jobs in its background ignore it, and all that they start."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def start(service: Service, folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WHEELYARD_", "GITHUB_"))}
    return subprocess.Popen(
        [sys.executable, "-m", "wheelyard", *arguments],
        cwd=folder,
        env=kept | {"WHEELYARD_URL": service.url, "WHEELYARD_TOKEN": "secret", "GITHUB_ACTIONS": "true"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_interrupt_leaves_the_builds_running_and_the_command_that_it_names_comes_back(
    service: Service, tmp_path: Path
) -> None:
    (tmp_path / "my requirements.txt").write_text("lxml\n")
    process = start(service, tmp_path, "prebuild", "-r", "my requirements.txt", "--lock-out", "locked.txt")
    assert service.followed.wait(WAIT_SECONDS)
    process.send_signal(signal.SIGINT)
    _, shown = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == ExitCode.INTERRUPTED, shown
    assert "Traceback" not in shown
    assert service.asked == ["POST /v1/requests", f"GET /v1/requests/{REQUEST_ID}/events"], "nothing was cancelled"
    stopped, go = (line for line in shown.splitlines() if line.startswith("::"))
    assert stopped == f"::stop-commands::{go.strip(':')}"
    (back,) = (line.partition("follow them with: ")[2] for line in shown.splitlines() if "follow them" in line)
    service.is_over = True
    again = start(service, tmp_path, *shlex.split(back)[1:])
    assert again.wait(WAIT_SECONDS) == ExitCode.OK, again.stderr and again.stderr.read()
    again.communicate()
    assert (tmp_path / "locked.txt").read_text() == "locked"
