"""Measure prebuilds: how many builds they start, how long a plan takes, and how they compare with pip wheel.

    python -m benchmarks.prebuild builds                      # 3 Pythons x 3 glibc: pure, abi3, native
    python -m benchmarks.prebuild plan [--projects 300]       # on a service of its own with a loopback index
    python -m benchmarks.prebuild compare FILE [--prefer own] # on the running service, against pip wheel -r FILE

``builds`` runs the service's own decision with wheels that are named, not built. ``plan`` asks twice: the second time
all pages are cached. Beside the elapsed time it prints the processor time of the service, without its database, and of
uv, which depends less on other load. ``compare`` runs the command line and, in turn, ``pip wheel`` in the builder's
image, each cold and then warm; it is cold only for a service that has none of it yet. It also prints the processor
time: of the service with PostgreSQL, devpi and the command line, and of pip with what it started.
"""

import argparse
import contextlib
import hashlib
import io
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import product
from pathlib import Path
from typing import Final

import httpx
from packaging.utils import canonicalize_name
from uv import find_uv_bin

from wheelyard.domain.builds.build import Status
from wheelyard.domain.dependencies.files import Origin
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.prebuilds.decision import ReleaseFacts, decide
from wheelyard.domain.prebuilds.prebuild import Item, ItemStatus, Prefer, Source, Started, WheelOffer
from wheelyard.settings import Settings

PYTHONS: Final = ("3.11", "3.12", "3.13")
PLATFORMS: Final = ("manylinux_2_31_x86_64", "manylinux_2_36_x86_64", "manylinux_2_41_x86_64")
TAGS: Final[dict[str, Callable[[Target], str]]] = {
    "pure": lambda _: "py3-none-any",
    "abi3": lambda target: f"{_interpreter(target)}-abi3-manylinux_2_17_x86_64",
    "native": lambda target: f"{_interpreter(target)}-{_interpreter(target)}-manylinux_2_17_x86_64",
}
WHEELYARD: Final = str(Path(sys.executable).with_name("wheelyard"))
CA_BUNDLE: Final = "/etc/ssl/certs/ca-certificates.crt"
START_SECONDS: Final = 120


def main() -> None:
    """Run one of the measurements."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    commands.add_parser("builds").set_defaults(run=lambda _: count_builds())
    plan = commands.add_parser("plan")
    plan.add_argument("--projects", type=int, default=300)
    plan.set_defaults(run=lambda given: time_plan(given.projects))
    compare = commands.add_parser("compare")
    compare.add_argument("file", type=Path)
    compare.add_argument("--prefer", default="upstream")
    compare.set_defaults(run=lambda given: compare_with_pip(given.file, given.prefer))
    arguments = parser.parse_args()
    arguments.run(arguments)


def count_builds() -> None:
    """Count the builds that each kind of project takes."""
    targets = [Target.parse(python=python, platform=platform) for python, platform in product(PYTHONS, PLATFORMS)]
    for kind, tag in TAGS.items():
        print(f"{kind:8} {len(targets)} targets: {_builds(targets, tag)} builds")


def _builds(targets: list[Target], tag: Callable[[Target], str]) -> int:
    project = canonicalize_name("demo")
    items = tuple(Item(project=project, version="1.0", target=one, origin=Origin(file="")) for one in targets)
    facts = ReleaseFacts(own=(), upstream=(), started=())
    while (decision := decide(items, facts, prefer=Prefer.OWN)).starts:
        for target in decision.starts:
            wheel = f"demo-1.0-1.bookworm-{tag(target)}.whl"
            offer = WheelOffer(filename=wheel, sha256="", source=Source.OWN)
            one = Started(project=project, version="1.0", target=target, build_id=wheel, status=Status.SUCCEEDED)
            facts = replace(facts, own=(*facts.own, offer), started=(*facts.started, one))
    if any(item.status is not ItemStatus.PRESENT for item in decision.items):
        raise SystemExit("not everything is served")
    return len(facts.started)


def _interpreter(target: Target) -> str:
    return f"cp{target.python.replace('.', '')}"


def time_plan(projects: int) -> None:
    """Time the plan of a requirements file with this many projects, for two Pythons on two platforms."""
    with (
        tempfile.TemporaryDirectory() as index,
        _served(_fill(Path(index), projects)) as url,
        _service(url) as (pid, http),
    ):
        names = [f"project{number}" for number in range(projects)]
        wanted = {"requirements": names, "pythons": ["3.11", "3.13"], "platforms": PLATFORMS[:2]}
        for attempt in ("first", "again"):
            begun, used = time.monotonic(), _processor_seconds(pid)
            plan = http.post("/v1/requests/plan", json=wanted).raise_for_status().json()
            seconds, worked = time.monotonic() - begun, _processor_seconds(pid) - used
            shown = f"{projects} projects, {len(plan['items'])} items, {plan['counts']}"
            print(f"{attempt}: {shown}: {seconds:.1f} s, of them {worked:.1f} s on a processor")


def _processor_seconds(pid: int) -> float:
    """Return the run time of a process, and of the children that it has waited for (proc_pid_stat(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _fill(folder: Path, projects: int) -> Path:
    """Fill an index: three of four projects have a pure wheel, and one has wheels for one Python only."""
    for number in range(projects):
        tag = "py3-none-any" if number % 4 else "cp313-cp313-manylinux_2_28_x86_64"
        name = f"project{number}"
        needs = [f"Requires-Dist: project{number - 1}"] if number % 4 > 1 else []
        page = folder / "simple" / name
        page.mkdir(parents=True)
        wheel = page / f"{name}-1.0-{tag}.whl"
        wheel.write_bytes(_wheel(name, needs))
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        (page / "index.html").write_text(f'<!DOCTYPE html><a href="{wheel.name}#sha256={digest}">{wheel.name}</a>')
        if not number % 4:
            older = page / f"{name}-0.9-py3-none-any.whl"
            older.write_bytes(_wheel(name, needs, version="0.9"))
            digest = hashlib.sha256(older.read_bytes()).hexdigest()
            with (page / "index.html").open("a") as file:
                file.write(f'<a href="{older.name}#sha256={digest}">{older.name}</a>')
    return folder


def _wheel(name: str, needs: list[str], version: str = "1.0") -> bytes:
    packed, info = io.BytesIO(), f"{name}-{version}.dist-info"
    with zipfile.ZipFile(packed, "w") as wheel:
        lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *needs, ""]
        wheel.writestr(f"{info}/METADATA", "\n".join(lines))
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\n")
        wheel.writestr(f"{info}/RECORD", "")
    return packed.getvalue()


@contextlib.contextmanager
def _served(folder: Path) -> Iterator[str]:
    handler = type(
        "Silent", (SimpleHTTPRequestHandler,), {"log_message": lambda *_: None, "protocol_version": "HTTP/1.1"}
    )
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/simple/"
    finally:
        server.shutdown()


@contextlib.contextmanager
def _service(index_url: str) -> Iterator[tuple[int, httpx.Client]]:
    """Run a service of our own on an index; yield its process and a client."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="wheelyard-bench-") as folder:
        state = Path(folder)
        state.chmod(0o711)
        environment = os.environ | {
            "WHEELYARD_STATE_DIR": folder,
            "WHEELYARD_PORT": "0",
            "WHEELYARD_UPSTREAM_INDEX_URL": index_url,
        }
        with (state / "log").open("w") as log:
            process = subprocess.Popen([WHEELYARD, "up"], env=environment, stdout=log, stderr=log)
        try:
            yield process.pid, _client(state)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()


def _client(state: Path) -> httpx.Client:
    until = time.monotonic() + START_SECONDS
    while not (state / "api.json").exists():
        if time.monotonic() > until:
            raise SystemExit((state / "log").read_text())
        time.sleep(0.2)
    url = json.loads((state / "api.json").read_text())["url"]
    headers = {"Authorization": f"Bearer {(state / 'token').read_text().strip()}"}
    return httpx.Client(base_url=url, headers=headers, timeout=600)


def compare_with_pip(file: Path, prefer: str) -> None:
    """Time a prebuild for one target and pip wheel -r in the same image, cold and warm."""
    made = [WHEELYARD, "builders", "build", "bookworm", "--python", "3.13", "--json"]
    image = json.loads(subprocess.run(made, check=True, capture_output=True).stdout)["builder"]
    command = [WHEELYARD, "prebuild", "-r", str(file), "--prefer", prefer]
    target = ["--python", "3.13", "--platform", "manylinux_2_36_x86_64"]
    service = json.loads((Settings().state_dir / "api.json").read_text())["pid"]
    for state in ("first", "again"):
        used = _tree_seconds(service) + _ended_seconds()
        seconds = _seconds(*command, *target)
        worked = _tree_seconds(service) + _ended_seconds() - used
        print(f"wheelyard prebuild, {state}: {seconds:.1f} s, of them {worked:.1f} s on a processor", flush=True)
    with _bare_container(image, file) as container:
        no_binary = "--no-binary :all:" if prefer == "own" else ""
        for state in ("cold", "warm"):
            script = (
                f"cd /scratch; v/bin/pip wheel -q {no_binary} --cache-dir c -r requirements.txt -w {state} && times"
            )
            begun = time.monotonic()
            said = _docker("exec", container, "sh", "-c", script).decode()
            seconds, worked = time.monotonic() - begun, sum(map(_read_minutes, said.split()))
            print(f"pip wheel -r, {state} cache: {seconds:.1f} s, of them {worked:.1f} s on a processor", flush=True)


def _read_minutes(text: str) -> float:
    """Parse a time of the shell's ``times``, such as ``0m3.12s``."""
    minutes, _, seconds = text.removesuffix("s").partition("m")
    return 60 * int(minutes) + float(seconds)


def _tree_seconds(pid: int) -> float:
    """Return the processor time of a process and all its descendants, also ended ones."""
    try:
        children = [one for task in Path(f"/proc/{pid}/task").glob("*/children") for one in task.read_text().split()]
        return _processor_seconds(pid) + sum(map(_tree_seconds, map(int, children)))
    except OSError:
        return 0  # it has just ended, and counts for its parent


def _ended_seconds() -> float:
    """Return the processor time of the commands that have ended here."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _seconds(*command: str) -> float:
    begun = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(
            f"{' '.join(command)} ended with {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
    return time.monotonic() - begun


@contextlib.contextmanager
def _bare_container(image: str, file: Path) -> Iterator[str]:
    """Start a container of the builder's image with a network, pip and the requirements in it."""
    name = f"wheelyard-bench-{uuid.uuid4().hex[:8]}"
    options = ["--detach", "--rm", "--name", name, "--network", "host", "--ulimit", "nofile=16384:16384"]
    options += ["--cpus", "2"]  # as many as the service has where this is measured
    certificates = [f"--env={key}=/scratch/ca.crt" for key in ("PIP_CERT", "SSL_CERT_FILE")]
    scratch = ("--tmpfs", "/scratch:rw,exec,mode=1777")
    _docker("run", *options, *certificates, *scratch, image, "sleep", "36000")
    try:
        for source, target in ((CA_BUNDLE, "ca.crt"), (find_uv_bin(), "uv"), (str(file), "requirements.txt")):
            _docker("exec", "-i", name, "sh", "-c", f"cat >/scratch/{target}", data=Path(source).read_bytes())
        setup = "cd /scratch; chmod +x uv; ./uv venv -q --seed --python /opt/python/3.13/bin/python3.13 v"
        _docker("exec", name, "sh", "-c", setup)
        yield name
    finally:
        _docker("rm", "--force", name)


def _docker(*arguments: str, data: bytes = b"") -> bytes:
    return subprocess.run(["docker", *arguments], input=data, check=True, stdout=subprocess.PIPE).stdout


if __name__ == "__main__":
    main()
