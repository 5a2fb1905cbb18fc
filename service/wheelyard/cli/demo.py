"""The demonstration: build two real projects from source, and import them in the bare runtime image.

It uses the public interfaces only, as a user would: HTTP, the index, pip, and the files of ``wheelyard up``.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self, TextIO

from rich.text import Text

from wheelyard.adapters.engine.command import PROJECT_LABEL, EngineCommand
from wheelyard.adapters.host.state_dir import StateDir
from wheelyard.adapters.servers.processes import ChildCommand, end_child, last_line, rotate_log, spawn
from wheelyard.api.schemas.builds import BuildView
from wheelyard.assembly.parts import Parts, pip_wheel
from wheelyard.cli.client import WheelyardClient, open_client
from wheelyard.cli.connection import Connection, RunningService, read_service
from wheelyard.cli.console import format_seconds, is_live, messages, note, output
from wheelyard.cli.problem import ExitCode, Problem, ProblemError
from wheelyard.cli.report import exit_code_of_build, report_build
from wheelyard.cli.watch import BuildWatch, Screen, open_screen
from wheelyard.domain.builds.log_text import plain_line
from wheelyard.errors import NotFoundError, ServerUnreachableError, ServiceStartError, VerifyFailedError
from wheelyard.settings import Settings, load_settings

_START_SECONDS: Final = 900.0
_POLL_SECONDS: Final = 0.2
# SIGINT is what Ctrl-C sends: the service stops its children in order.
_STOP_STEPS: Final = ((signal.SIGINT, 60.0), (signal.SIGTERM, 20.0))
_DULL_KEYS: Final = frozenset({"event", "level", "timestamp", "logger"})


@contextmanager
def running_service(settings: Settings) -> Iterator[RunningService]:
    """Yield a running service; start one if there is none, and stop it afterwards."""
    service = read_service(settings.state_dir)
    if service is not None and _is_ready(service):
        note(f"using the service that runs at {service.url}")
        yield service
        return
    child, log = _start(settings.state_dir)
    try:
        yield _wait_until_ready(child, log=log, state_dir=settings.state_dir)
    finally:
        note("stopping the demonstration's service")
        asyncio.run(end_child(child, _STOP_STEPS))


def _is_ready(service: RunningService) -> bool:
    try:
        with WheelyardClient(Connection(url=service.url, token=None)) as client:
            return client.readiness()[0]
    except ServerUnreachableError:
        return False


def _start(state_dir: Path) -> tuple[subprocess.Popen[bytes], Path]:
    """Start ``wheelyard up`` with its log in a file; it ends when this process ends, even if that is killed."""
    log = StateDir(state_dir).log("demo-service")
    rotate_log(log, limit_bytes=0)
    note(f"starting the service; its log is {log}")
    # Nothing else has to find this service, so any free port will do, unless a setting names one.
    defaults = {"WHEELYARD_PORT": "0"}
    command = ChildCommand(
        argv=(sys.executable, "-m", "wheelyard", "up"),
        # The whole environment: the service needs our settings, proxies and CA bundles (SSL_CERT_FILE) too.
        environment={**defaults, **os.environ, "WHEELYARD_LOG_FORMAT": "json", "PYTHONUNBUFFERED": "1"},
        directory=Path.cwd(),
        death_signal=signal.SIGINT,
    )
    return spawn(command, log=log), log


def _wait_until_ready(child: subprocess.Popen[bytes], *, log: Path, state_dir: Path) -> RunningService:
    """Show the service's log until it answers; raise ServiceStartError if it ends or takes too long."""
    begun = time.monotonic()
    with log.open(errors="replace") as stream, _spinner("the service is starting"):
        stream.seek(max(0, log.stat().st_size - 1))
        while (service := _find_ready(child, state_dir)) is None:
            _show_lines(stream)
            if child.poll() is not None:
                reason = f"it ended with status {child.returncode}: {_last_words(log)}"
                raise ServiceStartError(service="wheelyard up", reason=reason, log=log)
            if time.monotonic() - begun > _START_SECONDS:
                raise ServiceStartError(service="wheelyard up", reason="it is not ready in time", log=log)
            time.sleep(_POLL_SECONDS)
    note(f"the service is ready after {format_seconds(time.monotonic() - begun)}")
    return service


def _find_ready(child: subprocess.Popen[bytes], state_dir: Path) -> RunningService | None:
    service = read_service(state_dir)
    # A service that was killed leaves its files, so compare the process id with that of our own child.
    return service if service and service.pid == child.pid and _is_ready(service) else None


def _last_words(log: Path) -> str:
    """Return the error that ended a service; without one, the last line of its log."""
    errors = [line for line in log.read_text(errors="replace").splitlines() if line.startswith("error[")]
    return plain_line(errors[-1].partition(": ")[2].rstrip(".")) if errors else describe_entry(last_line(log))


@contextmanager
def _spinner(label: str) -> Iterator[None]:
    console = messages()
    if not is_live(console):
        yield
        return
    with console.status(label):
        yield


def _show_lines(stream: TextIO) -> None:
    while line := stream.readline():
        if line.strip():
            note(f"  service: {describe_entry(line)}")


def describe_entry(line: str) -> str:
    """Return a line of the service's JSON log as readable text; return any other line unchanged."""
    try:
        entry = json.loads(line)
    except ValueError:
        return plain_line(line.strip())
    if not isinstance(entry, dict):
        return plain_line(line.strip())
    details = [f"{name}={value}" for name, value in entry.items() if name not in _DULL_KEYS]
    return plain_line(" ".join([str(entry.get("event", "")), *details]))


_CHUNK_BYTES: Final = 1 << 16
_SHOWN_PROBLEMS: Final = 3
# pip runs from its wheel, because the runtime image has no pip and only the standard library. pip's maintainers do not
# support that, but pip allows for it: https://github.com/pypa/pip/pull/1576, https://github.com/pypa/pip/issues/11622
_SCRIPT: Final = """
import os, shutil, subprocess, sys, venv
wheel, *pip_arguments = sys.argv[1:]
with open("/tmp/" + wheel, "wb") as file:
    while chunk := sys.stdin.buffer.read(1 << 16):
        file.write(chunk)
venv.create("/tmp/venv")
python = "/tmp/venv/bin/python"
print(f"user {os.getuid()}, Python {sys.version.split()[0]}, compiler: {shutil.which('cc') or 'none'}", flush=True)
if status := subprocess.run([python, f"/tmp/{wheel}/pip", "install", *pip_arguments]).returncode:
    sys.exit(status)
check = '''
import markupsafe, markupsafe._speedups, yaml
assert yaml.__with_libyaml__ is True, "PyYAML was built without libyaml"
assert yaml.load("a: [1, 2]", Loader=yaml.CSafeLoader) == {"a": [1, 2]}
print("imported markupsafe._speedups from", markupsafe._speedups.__file__)
print(f"imported yaml {yaml.__version__} with libyaml {'.'.join(map(str, yaml._yaml.get_version()))}")
'''
sys.exit(subprocess.run([python, "-c", check]).returncode)
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Installation:
    """The wheels to install, and the image to install them in."""

    image: str
    """The bare runtime image that the wheels were tested in."""
    index_url: str
    requirements: tuple[str, ...]

    @classmethod
    def of(cls, builds: Sequence[BuildView], *, index_url: str) -> Self:
        """Return the installation of the wheels of builds; raise NotFoundError if a build has no wheel."""
        images = [build.wheel.runtime_image for build in builds if build.wheel is not None]
        if len(images) < len(builds):
            raise NotFoundError(kind="wheel", name=", ".join(build.project for build in builds))
        return cls(
            image=images[0],
            index_url=index_url,
            requirements=tuple(f"{build.project}=={build.version}" for build in builds),
        )


def install_and_import(settings: Settings, wanted: Installation) -> None:
    """Install wheels from the index in a container and import them; raise ProblemError if that fails."""
    wheel, engine = pip_wheel(settings), Parts(settings).engine
    said = deque[str](maxlen=_SHOWN_PROBLEMS)

    def show(line: str) -> None:
        said.append(line)
        output().print(f"  {plain_line(line)}", soft_wrap=True)

    command = ["python", "-c", _SCRIPT, wheel.name, *_pip_arguments(wanted)]
    arguments = ["run", *_isolation(engine), wanted.image, *command]
    completed = asyncio.run(engine.run(arguments, stdin=_read(wheel), on_line=show, check=False))
    if completed.returncode:
        raise ProblemError(_problem(wanted, said))


def _problem(wanted: Installation, said: Iterable[str]) -> Problem:
    return Problem(
        code=VerifyFailedError.code,
        detail=f"{' and '.join(wanted.requirements)} cannot be installed and imported: {' '.join(said)}",
        hint=f"Look at what the index has: {wanted.index_url}",
        exit_code=ExitCode.BUILD_FAILED,
    )


def _isolation(engine: EngineCommand) -> list[str]:
    """Return options of a fresh, unprivileged, read-only container that reaches the index on this host's loopback."""
    return [
        "--rm",
        "--interactive",
        "--network=host",
        "--read-only",
        *engine.confinement_args,
        "--tmpfs=/tmp:rw,exec,nosuid,nodev,size=256m,mode=1777",
        f"--label={PROJECT_LABEL}",
        *engine.ulimit_args,
    ]


def _pip_arguments(wanted: Installation) -> list[str]:
    quiet = ("--no-cache-dir", "--disable-pip-version-check", "--no-input")
    return [*quiet, "--index-url", wanted.index_url, "--only-binary", ":all:", *wanted.requirements]


async def _read(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            yield chunk


# One plain C extension, and one that needs a system library and its headers.
PROJECTS: Final = ("markupsafe", "pyyaml")
_TAIL_LINES: Final = 6


def run_demo() -> ExitCode:
    """Run the demonstration; stop at the first failure."""
    begun = time.monotonic()
    settings = load_settings()
    with running_service(settings) as service:
        with open_client(None) as client:
            builds = _build_all(client)
        output().print(Text("\nWhat was built", style="bold"))
        for build in builds:
            output().print(report_build(build), soft_wrap=True)
        worst = max(exit_code_of_build(build) for build in builds)
        if worst is not ExitCode.OK:
            note("the demonstration stops here, because a build failed; see its reason above")
            return worst
        output().print(Text("\nInstalled from the index into the bare runtime image", style="bold"))
        install_and_import(settings, Installation.of(builds, index_url=service.simple_url))
    output().print(Text(f"\nThe demonstration succeeded in {format_seconds(time.monotonic() - begun)}.", "bold green"))
    return ExitCode.OK


def _build_all(client: WheelyardClient) -> tuple[BuildView, ...]:
    """Request all projects, follow their builds at once, and return the builds."""
    submitted = [client.submit(project) for project in PROJECTS]
    for build in submitted:
        how = f"joined {build.id}, which is {build.status}" if build.joined else f"queued as {build.id}"
        note(f"{_label(build)} for Python {build.python} on {build.platform}: {how}")
    with open_screen(with_log=False, tail_lines=_TAIL_LINES) as screen:
        _follow_all(client, [build for build in submitted if not build.status.is_final], screen)
    return tuple(client.build(build.id) for build in submitted)


def _follow_all(client: WheelyardClient, builds: Sequence[BuildView], screen: Screen) -> None:
    # Threads, because the client is synchronous and follows two streams. httpx's client is thread-safe:
    # https://github.com/encode/httpx/pull/2380
    with ThreadPoolExecutor(max_workers=len(PROJECTS)) as pool:
        followed = [pool.submit(_follow, client, build, screen) for build in builds]
    for future in followed:
        future.result()


def _follow(client: WheelyardClient, build: BuildView, screen: Screen) -> None:
    label, watch = _label(build), BuildWatch()
    screen.add(label)
    for event in client.follow(build.id):
        for news in watch.apply(event):
            screen.show(label, news)


def _label(build: BuildView) -> str:
    return f"{build.project} {build.version}"
