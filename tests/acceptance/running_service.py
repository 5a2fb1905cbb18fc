"""One ``wheelyard up`` of the installed wheel: a child process on a state directory, asked over HTTP and the CLI."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
from tests.acceptance.installed import installed_program
from tests.acceptance.processes import (
    command_line,
    containers,
    descendants,
    is_listening,
    wait_for,
)

from wheelyard.adapters.servers.processes import ChildCommand, ProcessMark, spawn
from wheelyard.assembly.parts import Parts
from wheelyard.assembly.worker import worker_name
from wheelyard.settings import Settings

FINAL: Final = ("succeeded", "failed", "cancelled")
START_SECONDS: Final = 240.0
"""The first start on a state directory installs devpi and creates a database cluster."""
STOP_SECONDS: Final = 60.0
"""Only a machine with much else to do takes more than a few of them."""
BUILD_SECONDS: Final = 900.0
ELSEWHERE: Final = Path("/")
"""Where programs are run: not in the clone, of which they must find nothing."""

Document = dict[str, Any]
Completed = subprocess.CompletedProcess[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Launch:
    """How the program is called."""

    state_dir: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    """By name, without ``WHEELYARD_``."""
    prefix: tuple[str, ...] = ()
    """A command that runs the program, for instance as another user."""

    @property
    def command(self) -> tuple[str, ...]:
        """The program, of the installed wheel."""
        return (*self.prefix, str(installed_program()))

    @property
    def environment(self) -> dict[str, str]:
        """What the program sees: no setting of ours gets in by accident."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("WHEELYARD_")}
        kept["WHEELYARD_OPTIMISED_PYTHON"] = "off"  # it would compile for half an hour beside the tests
        settings = {"STATE_DIR": str(self.state_dir), "PORT": "0", **self.settings}
        return kept | {f"WHEELYARD_{name}": value for name, value in settings.items()}

    @property
    def log(self) -> Path:
        """Where the output of ``wheelyard up`` goes."""
        return self.state_dir / "up.log"

    def cli(self, *arguments: str, **settings: str) -> Completed:
        """Run one command line to its end."""
        return subprocess.run(
            [*self.command, *arguments],
            cwd=ELSEWHERE,
            env=self.environment | {f"WHEELYARD_{name}": value for name, value in settings.items()},
            capture_output=True,
            check=False,
            text=True,
            timeout=BUILD_SECONDS,
        )

    def start(self) -> "subprocess.Popen[bytes]":
        """Run ``wheelyard up``, in a session of its own so that a Ctrl-C on the tests is not its own.

        It is told to stop if the tests are killed: what they have started would stay for ever.
        """
        program, *rest = self.command
        command = ChildCommand(
            argv=(shutil.which(program) or program, *rest, "up"),
            environment=self.environment,
            directory=ELSEWHERE,
            death_signal=signal.SIGINT,
        )
        return spawn(command, log=self.log)


class RunningService:
    """A service that has come up."""

    def __init__(self, launch: Launch, process: "subprocess.Popen[bytes]", announced: Mapping[str, Any]) -> None:
        self.launch = launch
        self.state_dir = launch.state_dir
        self.url = str(announced["url"])
        self.index_url = f"{announced['index_url']}/+simple/"
        self.token = (self.state_dir / "token").read_text().strip()
        self.process = process
        self.http = httpx.Client(base_url=self.url, timeout=60, trust_env=False, headers=self.authorization)
        settings = Settings(state_dir=self.state_dir)
        self.engine = Parts(settings).engine.program
        self._worker_label = f"org.wheelyard.worker={worker_name(settings)}"

    @property
    def authorization(self) -> dict[str, str]:
        """The header that every request needs."""
        return {"Authorization": f"Bearer {self.token}"}

    def cli(self, *arguments: str, **settings: str) -> Completed:
        """Run one command line beside the service."""
        return self.launch.cli(*arguments, **settings)

    def submit(self, requirement: str, **wanted: str) -> Document:
        """Ask for a wheel, which must be accepted."""
        response = self.http.post("/v1/builds", json={"requirement": requirement, **wanted})
        assert response.is_success, response.text
        document: Document = response.json()
        return document

    def build(self, build_id: str) -> Document:
        """Look at a build."""
        document: Document = self.http.get(f"/v1/builds/{build_id}").raise_for_status().json()
        return document

    def finished(self, build_id: str, *, seconds: float = BUILD_SECONDS) -> Document:
        """Wait until a build is over."""

        def look() -> Document | None:
            build = self.build(build_id)
            return build if build["status"] in FINAL else None

        return wait_for(f"the end of build {build_id}", look, seconds=seconds)

    def in_stage(self, build_id: str, stage: str, *, saying: str) -> Document:
        """Wait until a build is in the middle of a stage, where its log says something."""

        def look() -> Document | None:
            build = self.build(build_id)
            assert build["status"] not in FINAL, build
            return build if build["stage"] == stage and saying in self.log(build_id) else None

        return wait_for(f"stage {stage} of build {build_id}", look, seconds=BUILD_SECONDS)

    def log(self, build_id: str, **query: str) -> str:
        """Read a build's log as it is now."""
        return self.http.get(f"/v1/builds/{build_id}/log", params=query).raise_for_status().text

    def index_files(self, project: str) -> list[Document]:
        """Read what our index lists for a project, as pip would."""
        accept = {"Accept": "application/vnd.pypi.simple.v1+json"}
        response = httpx.get(f"{self.index_url}{project}/", headers=accept, trust_env=False)
        if response.status_code == httpx.codes.NOT_FOUND:
            return []
        files: list[Document] = response.raise_for_status().json()["files"]
        return [{**file, "url": str(response.url.join(file["url"]))} for file in files]

    def containers(self) -> list[str]:
        """List the containers that this service's worker has started."""
        return containers(self.engine, self._worker_label)

    def child(self, program: str) -> ProcessMark:
        """Find the process of the service whose command line has this in it."""
        return next(mark for mark in descendants(self.process.pid) if program in command_line(mark))

    def assert_nothing_half_done(self) -> None:
        """Check that no container, no row and no working directory of an attempt is left."""
        assert self.containers() == []
        for status in ("queued", "running"):
            listed = self.http.get("/v1/builds", params={"status": status}).raise_for_status().json()
            assert listed["builds"] == []
        assert list((self.state_dir / "attempts").glob("*/*")) == []

    def kill_everything(self) -> None:
        """End the service and all its processes at once; containers belong to the engine, which goes on."""
        marks = [ProcessMark.of(self.process.pid), *descendants(self.process.pid)]
        for mark in marks:
            if mark is not None:
                mark.send(signal.SIGKILL)
        self.process.wait()
        self.http.close()

    def stop(self, number: signal.Signals = signal.SIGINT) -> float:
        """End the service as Ctrl-C does, check that it took all its things along, and return the seconds it took."""
        started = descendants(self.process.pid)
        begun = time.monotonic()
        self.process.send_signal(number)
        try:
            status = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill_everything()
            raise
        seconds = time.monotonic() - begun
        self.http.close()
        assert status == 0, self.launch.log.read_text()[-4000:]
        assert [command_line(mark) for mark in started if mark.is_alive()] == []
        assert self.containers() == []
        assert not (self.state_dir / "api.json").exists()
        assert not is_listening(self.url)
        # An index that was given to it is not its own.
        assert "INDEX_URL" in self.launch.settings or not is_listening(self.index_url)
        return seconds


def start_service(launch: Launch) -> RunningService:
    """Start a service and wait until it answers, ready or not."""
    process = launch.start()
    try:
        announced = wait_for("the service's start", lambda: _announced(launch, process), seconds=START_SECONDS)
    except BaseException:
        process.terminate()
        process.wait()
        raise
    return RunningService(launch, process, announced)


@contextmanager
def running(launch: Launch) -> Iterator[RunningService]:
    """Run a service for a block, which may have ended it when it is over."""
    service = start_service(launch)
    try:
        yield service
    finally:
        if service.process.poll() is None:
            service.stop()


def _announced(launch: Launch, process: "subprocess.Popen[bytes]") -> Document | None:
    """Read what the service says about itself, once this very process has said it and answers."""
    assert process.poll() is None, f"it ended: {launch.log.read_text()[-4000:]}"
    file = launch.state_dir / "api.json"
    if not file.exists():
        return None
    document: Document = json.loads(file.read_text())
    url = str(document["url"])
    answers = document["pid"] == process.pid and is_listening(url)
    return document if answers and httpx.get(f"{url}/readyz", timeout=60, trust_env=False).status_code else None
