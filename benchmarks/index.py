"""Measure the index: a project's page, a small and a large wheel, from our API, devpi alone, simpleindex and nginx.

All of them serve the same wheels from one machine in one run, in turns; each turn sends requests to one of them on a
few connections that stay open. It prints requests per second, the 99th percentile of the answer times, the ratio to
devpi's rate, and requests per second of processor time. That counts all processes that take part in an answer (for
ours, PostgreSQL's and devpi's too), and depends little on what else the machine does. It ends with exit code 1 if our
pages miss their goal: five times devpi's rate.

    python -m benchmarks.index [--seconds 4] [--rounds 3] [--connections 8] [--nginx PATH]

nginx takes part if it is found: `apt-get install nginx-light`, or, without installing anything, `apt-get download
nginx-light && dpkg -x nginx-light_*.deb DIR` and `--nginx DIR/usr/sbin/nginx`. simpleindex is fetched by uv.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from tests.acceptance.processes import descendants
from tests.contract.samples import sample_order, sample_wheel
from tests.integration.index_service import make_wheel
from uv import find_uv_bin

from wheelyard.adapters.servers.devpi import EmbeddedDevpi
from wheelyard.adapters.servers.postgres import EmbeddedPostgres
from wheelyard.adapters.store.attempts import PostgresAttempts
from wheelyard.adapters.store.builds import PostgresBuilds
from wheelyard.adapters.store.database import Database, migrate
from wheelyard.adapters.store.wake_ups import BuildQueue
from wheelyard.assembly.index import embedded_index, open_index
from wheelyard.domain.builds.build import Status
from wheelyard.domain.builds.records import Outcome
from wheelyard.domain.index.index import IndexEndpoint, Level
from wheelyard.resources import data_path
from wheelyard.wheel_files.reader import read_wheel

RELEASES = 30
SMALL_BYTES, LARGE_BYTES = 20 << 10, 40 << 20
GOAL = 5.0
"""The goal of our project page, as a multiple of devpi's rate."""
PAGE_TYPES = "application/vnd.pypi.simple.v1+json, text/html;q=0.1"
PROJECT = "sample"
START_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """The URLs of one of the servers."""

    name: str
    addresses: Mapping[str, str]
    """URLs by what is measured."""
    roots: tuple[int, ...]
    """Its processes; their children count too."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """The result of one turn."""

    requests_per_second: float
    p99_milliseconds: float
    requests_per_cpu_second: float


def main() -> None:
    """Start everything, measure, print the table, stop everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--nginx", default=shutil.which("nginx"))
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="wheelyard-benchmark-", dir="/tmp"))
    folder.chmod(0o711)
    try:
        is_met = asyncio.run(run(folder, arguments))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(0 if is_met else 1)


async def run(folder: Path, arguments: argparse.Namespace) -> bool:
    """Measure in turns, so that other load on the machine affects all alike; return whether the goal is met."""
    postgres, store = EmbeddedPostgres(folder), EmbeddedDevpi(folder, lock_file=data_path("devpi.lock"))
    async with postgres as database_url, contextlib.AsyncExitStack() as stack:
        endpoint = await stack.enter_async_context(store)
        backends = (postgres.pid or 0, store.pid or 0)
        await asyncio.to_thread(migrate, database_url)
        wheels = make_wheels(folder / "wheels")
        held = await publish(wheels, database_url, endpoint)
        servers = [
            await stack.enter_async_context(our_api(folder, database_url, endpoint, backends)),
            devpi(endpoint, held, store.pid or 0),
            await stack.enter_async_context(simpleindex(folder)),
        ]
        if arguments.nginx:
            servers.append(await stack.enter_async_context(nginx(folder, arguments.nginx)))
        else:
            print("NOT MEASURED: nginx, which is not installed; --help explains how to get it")
        turns = await measure_all(servers, arguments)
    print_table(turns)
    return is_goal_met(turns)


def make_wheels(folder: Path) -> list[Path]:
    """Write a project's wheels: many releases, of which one is small and one large."""
    folder.mkdir()
    sizes = {f"1.{number}": SMALL_BYTES for number in range(RELEASES)} | {"2.0": LARGE_BYTES}
    body = random.Random(1)  # noqa: S311  (bytes that do not compress, the same ones at each run)
    return [
        make_wheel(folder, name=PROJECT, version=version, body=f"DATA = '{body.randbytes(size // 2).hex()}'\n")
        for version, size in sizes.items()
    ]


async def publish(wheels: list[Path], database_url: str, endpoint: IndexEndpoint) -> dict[str, str]:
    """Publish as a worker does; return devpi's URL of each file."""
    held: dict[str, str] = {}
    async with Database(database_url) as database, open_index(embedded_index(endpoint)) as backends:
        queue = BuildQueue(database_url)
        builds, attempts = PostgresBuilds(database, queue, max_attempts=1), PostgresAttempts(database, queue)
        for path in wheels:
            digest = read_digest(path)
            inside = read_wheel(path, sha256=digest)
            published = await backends.indexes[Level.PROD].publish(path, sha256=digest)
            order = replace(sample_order(key=path.name, project=PROJECT), version=str(inside.version))
            build = (await builds.submit(order, requested_by="benchmark")).build
            claim = await attempts.claim(build.id, worker="benchmark", lease_seconds=60)
            assert claim is not None
            wheel = replace(
                sample_wheel(), filename=path.name, sha256=digest, size_bytes=inside.size_bytes, url=published.url
            )
            await attempts.finish(claim, Outcome(status=Status.SUCCEEDED, wheel=wheel, published=published))
            held[path.name] = published.url
    return held


def read_digest(path: Path) -> str:
    """Return the digest of a file."""
    return subprocess.run(["sha256sum", str(path)], capture_output=True, check=True, text=True).stdout.split()[0]


def addresses(page: str, files: str) -> dict[str, str]:
    """Return the URLs of the page and the two wheels, for a server that has all files in one place."""
    small, large = (f"{PROJECT}-{version}-1-py3-none-any.whl" for version in ("1.0", "2.0"))
    return {"page": page, "small wheel": f"{files}/{small}", "large wheel": f"{files}/{large}"}


@contextlib.asynccontextmanager
async def our_api(
    folder: Path, database_url: str, endpoint: IndexEndpoint, backends: tuple[int, ...]
) -> AsyncIterator[Server]:
    """Run the API as an operator does who has database and devpi elsewhere."""
    port = free_port()
    settings = {
        "STATE_DIR": str(folder / "api"),
        "DATABASE_URL": database_url,
        "INDEX_URL": endpoint.url,
        "INDEX_PASSWORD": endpoint.promoter.password,
        "ANONYMOUS_READ": "true",
        "INDEX_REQUESTS_PER_MINUTE": "0",
        "PORT": str(port),
        "LOG_LEVEL": "warning",
    }
    environment = {**os.environ, **{f"WHEELYARD_{name}": value for name, value in settings.items()}}
    url = f"http://127.0.0.1:{port}"
    with child([sys.executable, "-m", "wheelyard", "serve"], environment) as pid:
        await until_answered(f"{url}/healthz")
        found = addresses(f"{url}/simple/{PROJECT}/", f"{url}/files")
        yield Server(name="wheelyard", addresses=found, roots=(pid, *backends))


def devpi(endpoint: IndexEndpoint, held: Mapping[str, str], pid: int) -> Server:
    """Return devpi's own URLs."""
    page = addresses(f"{endpoint.prod_url}/+simple/{PROJECT}/", "")
    found = {name: held.get(url.removeprefix("/"), url) for name, url in page.items()}
    return Server(name="devpi", addresses=found, roots=(pid,))


@contextlib.asynccontextmanager
async def simpleindex(folder: Path) -> AsyncIterator[Server]:
    """Run simpleindex on the folder of the wheels."""
    port, config = free_port(), folder / "simpleindex.toml"
    route = f'[routes."{{project}}"]\nsource = "path"\nto = "{folder}/wheels"\n'
    config.write_text(f'{route}[server]\nhost = "127.0.0.1"\nport = {port}\n')
    url = f"http://127.0.0.1:{port}"
    command = [find_uv_bin(), "tool", "run", "--isolated", "simpleindex", str(config)]
    with child(command, dict(os.environ)) as pid:
        await until_answered(f"{url}/{PROJECT}/")
        found = addresses(f"{url}/{PROJECT}/", f"{url}/{PROJECT}")
        yield Server(name="simpleindex", addresses=found, roots=(pid,))


@contextlib.asynccontextmanager
async def nginx(folder: Path, program: str) -> AsyncIterator[Server]:
    """Run nginx on the same files, with the page as a static file."""
    port, root = free_port(), folder / "nginx"
    (root / "simple" / PROJECT).mkdir(parents=True)
    links = "".join(
        f'<a href="../../files/{path.name}">{path.name}</a><br>\n' for path in (folder / "wheels").iterdir()
    )
    (root / "simple" / PROJECT / "index.html").write_text(f"<!DOCTYPE html><html><body>{links}</body></html>")
    (root / "files").symlink_to(folder / "wheels")
    temporary = "".join(
        f"{kind}_temp_path {root}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (root / "nginx.conf").write_text(
        f"user root; worker_processes 2; daemon off; pid {root}/pid; error_log {root}/error.log;\n"
        "events {}\n"
        f"http {{ access_log off; sendfile on; keepalive_requests 1000000; {temporary}\n"
        f"server {{ listen 127.0.0.1:{port}; root {root}; default_type application/octet-stream; }} }}\n"
    )
    url = f"http://127.0.0.1:{port}"
    with child(
        [program, "-p", str(root), "-e", f"{root}/error.log", "-c", f"{root}/nginx.conf"], dict(os.environ)
    ) as pid:
        await until_answered(f"{url}/simple/{PROJECT}/")
        found = addresses(f"{url}/simple/{PROJECT}/", f"{url}/files")
        yield Server(name="nginx", addresses=found, roots=(pid,))


def free_port() -> int:
    """Return a free port."""
    import socket  # noqa: PLC0415  (used here only)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def child(command: list[str], environment: dict[str, str]) -> Iterator[int]:
    """Run a program until the block ends; yield its process id."""
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


async def until_answered(url: str) -> None:
    """Wait until a server answers with success."""
    deadline = time.monotonic() + START_SECONDS
    async with httpx.AsyncClient(trust_env=False) as client:
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if (await client.get(url)).is_success:
                    return
            if time.monotonic() > deadline:
                raise SystemExit(f"{url} does not answer")
            await asyncio.sleep(0.2)


async def measure_all(servers: list[Server], arguments: argparse.Namespace) -> dict[tuple[str, str], list[Turn]]:
    """Measure everything in turns."""
    turns: dict[tuple[str, str], list[Turn]] = {}
    for _ in range(arguments.rounds):
        for what in ("page", "small wheel", "large wheel"):
            for server in servers:
                turn = await measure(server, what, arguments.seconds, arguments.connections)
                turns.setdefault((what, server.name), []).append(turn)
    return turns


async def measure(server: Server, what: str, seconds: float, connections: int) -> Turn:
    """Request one thing repeatedly, from a process of its own."""
    url, before = server.addresses[what], cpu_seconds(server.roots)
    command = [sys.executable, "-c", CLIENT, url, str(seconds), str(connections), PAGE_TYPES]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    output, _ = await process.communicate()
    if process.returncode:
        raise SystemExit(f"{urlsplit(url).path} was not answered well")
    times = sorted(json.loads(output))
    p99 = times[min(int(len(times) * 0.99), len(times) - 1)]
    spent = cpu_seconds(server.roots) - before
    return Turn(
        requests_per_second=len(times) / seconds,
        p99_milliseconds=p99 * 1000,
        requests_per_cpu_second=len(times) / max(spent, 0.01),
    )


def cpu_seconds(roots: tuple[int, ...]) -> float:
    """Return the processor time of processes and their descendants."""
    pids = {*roots, *(mark.pid for root in roots for mark in descendants(root))}
    ticks = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


# No HTTP library: it would take more processor time than what is measured.
CLIENT = """
import asyncio, json, sys, time
from urllib.parse import urlsplit
url, seconds, connections, accept = sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
parts = urlsplit(url)
request = f"GET {parts.path} HTTP/1.1\\r\\nHost: {parts.netloc}\\r\\nAccept: {accept}\\r\\n\\r\\n".encode()
times = []
async def skip(reader, left):
    while left:
        chunk = await reader.read(min(left, 1 << 20))
        assert chunk
        left -= len(chunk)
async def ask(deadline):
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=1 << 20)
    while (begun := time.perf_counter()) < deadline:
        writer.write(request)
        head = (await reader.readuntil(b"\\r\\n\\r\\n")).lower()
        assert head.startswith(b"http/1.1 200"), head
        if b"content-length:" in head:
            await skip(reader, int(head.split(b"content-length:")[1].split(b"\\r\\n")[0]))
        else:
            assert b"transfer-encoding: chunked" in head, head
            while size := int((await reader.readuntil(b"\\r\\n")).split(b";")[0], 16):
                await skip(reader, size + 2)
            await skip(reader, 2)
        times.append(time.perf_counter() - begun)
        if b"connection: close" in head:
            writer.close()
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=1 << 20)
    writer.close()
async def main():
    deadline = time.perf_counter() + seconds
    await asyncio.gather(*(ask(deadline) for _ in range(connections)))
asyncio.run(main())
print(json.dumps(times))
"""


def is_goal_met(turns: Mapping[tuple[str, str], list[Turn]]) -> bool:
    """Compare our pages with devpi's, and print the result."""
    ours, theirs = (
        statistics.median(turn.requests_per_second for turn in turns["page", name]) for name in ("wheelyard", "devpi")
    )
    is_met = ours >= GOAL * theirs
    print(
        f"{'met' if is_met else 'MISSED'}: the project page has {ours / theirs:.1f} times devpi's rate, {GOAL:g} wanted"
    )
    return is_met


def print_table(turns: Mapping[tuple[str, str], list[Turn]]) -> None:
    """Print medians of the rounds."""
    rates = {key: statistics.median(turn.requests_per_second for turn in found) for key, found in turns.items()}
    print(f"{'WHAT':<12} {'SERVER':<12} {'REQUESTS/S':>10} {'P99 MS':>8} {'TIMES DEVPI':>11} {'REQUESTS/CPU S':>14}")
    for (what, name), found in turns.items():
        p99 = statistics.median(turn.p99_milliseconds for turn in found)
        factor = rates[what, name] / rates[what, "devpi"]
        cpu = statistics.median(turn.requests_per_cpu_second for turn in found)
        print(f"{what:<12} {name:<12} {rates[what, name]:>10.1f} {p99:>8.1f} {factor:>11.1f} {cpu:>14.1f}")


if __name__ == "__main__":
    main()
