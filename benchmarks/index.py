"""Measure the index: a project's page, a small and a large wheel, from our API, devpi alone, simpleindex and nginx.

All of them serve the same wheels from one machine in one run, in turns; each turn sends requests to one of them on a
few connections that stay open. It prints requests per second, the 99th percentile of the answer times, the ratio to
devpi's rate, and requests per second of processor time. That counts all processes that take part in an answer (for
ours, PostgreSQL's and devpi's too), and depends little on what else the machine does. With nginx, our API is measured
behind it too, with the configuration in packaging/nginx. Then 200 slow readers hold a large wheel, and the memory of
the API is measured. It ends with exit code 1 if one of the goals is missed: GOALS below has the ratios.

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
SLOW_READERS, SLOW_SECONDS = 200, 10
PAGE_TYPES = "application/vnd.pypi.simple.v1+json, text/html;q=0.1"
PROJECT = "sample"
START_SECONDS = 240.0


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
            before = behind_nginx(folder, database_url, endpoint, backends, arguments.nginx)
            servers.append(await stack.enter_async_context(before))
        else:
            print("NOT MEASURED: nginx, which is not installed; --help explains how to get it")
        turns = await measure_all(servers, arguments)
        grown = await measure_slow_readers(servers[0])
    print_table(turns)
    return all([*goals_met(turns), is_memory_flat(grown)])


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
    folder: Path,
    database_url: str,
    endpoint: IndexEndpoint,
    backends: tuple[int, ...],
    **more: str,
) -> AsyncIterator[Server]:
    """Run the API as an operator does who has database and devpi elsewhere."""
    port = free_port()
    settings = {
        "STATE_DIR": str(folder / "api"),
        "DISK_FLOOR_BYTES": str(64 << 20),
        "DATABASE_URL": database_url,
        "INDEX_URL": endpoint.url,
        "INDEX_PASSWORD": endpoint.promoter.password,
        "ANONYMOUS_READ": "true",
        "INDEX_REQUESTS_PER_MINUTE": "0",
        "PORT": str(port),
        "LOG_LEVEL": "warning",
        **more,
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
    http = (
        "access_log off; sendfile on; keepalive_requests 1000000;\n"
        f"server {{ listen 127.0.0.1:{port}; root {root}; default_type application/octet-stream; }}"
    )
    url = f"http://127.0.0.1:{port}"
    with nginx_process(root, http, program) as pid:
        await until_answered(f"{url}/simple/{PROJECT}/")
        found = addresses(f"{url}/simple/{PROJECT}/", f"{url}/files")
        yield Server(name="nginx", addresses=found, roots=(pid,))


@contextlib.asynccontextmanager
async def behind_nginx(
    folder: Path, database_url: str, endpoint: IndexEndpoint, backends: tuple[int, ...], program: str
) -> AsyncIterator[Server]:
    """Run the API with nginx before it, which sends the files, with the configuration that is shipped."""
    port, root, state = free_port(), folder / "before", folder / "api-behind"
    root.mkdir()
    more = {"STATE_DIR": str(state), "FILE_SENDER": "nginx", "TRUSTED_PROXIES": '["127.0.0.1"]'}
    api = our_api(folder, database_url, endpoint, backends, **more, PUBLIC_URL=f"http://127.0.0.1:{port}")
    async with api as ours:
        shipped = (Path(__file__).parents[1] / "packaging/nginx/wheelyard.conf").read_text()
        for old, new in (
            ("127.0.0.1:8123", urlsplit(ours.addresses["page"]).netloc),
            ("listen 80;", f"listen 127.0.0.1:{port}; access_log off; keepalive_requests 1000000;"),
            ("/var/lib/wheelyard/", f"{state}/"),
        ):
            assert old in shipped
            shipped = shipped.replace(old, new)
        url = f"http://127.0.0.1:{port}"
        with nginx_process(root, shipped, program) as pid:
            await until_answered(f"{url}/healthz")
            found = addresses(f"{url}/simple/{PROJECT}/", f"{url}/files")
            yield Server(name="ours+nginx", addresses=found, roots=(pid, *ours.roots))


@contextlib.contextmanager
def nginx_process(root: Path, http: str, program: str) -> Iterator[int]:
    """Run nginx with this text in its block ``http``, and all its files below a folder; yield its process id."""
    temporary = "".join(
        f"{kind}_temp_path {root}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (root / "nginx.conf").write_text(
        f"user root; worker_processes 2; daemon off; pid {root}/pid; error_log {root}/error.log;\n"
        f"events {{}}\nhttp {{ {temporary}\n{http} }}\n"
    )
    command = [program, "-p", str(root), "-e", f"{root}/error.log", "-c", f"{root}/nginx.conf"]
    with child(command, dict(os.environ)) as pid:
        yield pid


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
    for server in servers:
        # The first request of each makes what later ones find ready, such as our copy of a wheel.
        for url in server.addresses.values():
            await until_answered(url)
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


GOALS = (
    ("page", "wheelyard", 7.0, "devpi"),
    ("small wheel", "wheelyard", 3.0, "devpi"),
    ("small wheel", "wheelyard", 0.8, "simpleindex"),
    ("large wheel", "wheelyard", 1.0, "simpleindex"),
    ("small wheel", "ours+nginx", 0.9, "nginx"),
    ("large wheel", "ours+nginx", 0.9, "nginx"),
)
"""What of whom must have at least how many times the rate of whom."""


def goals_met(turns: Mapping[tuple[str, str], list[Turn]]) -> Iterator[bool]:
    """Compare with the others in each round, and print the medians of the ratios."""
    for what, name, wanted, other in GOALS:
        if (what, name) not in turns or (what, other) not in turns:
            continue
        pairs = zip(turns[what, name], turns[what, other], strict=True)
        ratio = statistics.median(ours.requests_per_second / theirs.requests_per_second for ours, theirs in pairs)
        print(f"{'met' if ratio >= wanted else 'MISSED'}: {what}, {name}: {ratio:.2f} times {other}, {wanted:g} wanted")
        yield ratio >= wanted


async def measure_slow_readers(server: Server) -> int:
    """Return by how many bytes the memory of our API grows while many read a large wheel slowly."""
    parts = urlsplit(server.addresses["large wheel"])
    request = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode()
    before, most = resident_bytes(server.roots[0]), 0
    readers = [await asyncio.open_connection(parts.hostname, parts.port, limit=1 << 12) for _ in range(SLOW_READERS)]
    for _, writer in readers:
        writer.write(request)
    for _ in range(SLOW_SECONDS):
        await asyncio.gather(*(reader.readexactly(1 << 11) for reader, _ in readers))
        await asyncio.sleep(1)
        most = max(most, resident_bytes(server.roots[0]))
    for _, writer in readers:
        writer.transport.abort()
    return most - before


def resident_bytes(pid: int) -> int:
    """Return the memory that a process has."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def is_memory_flat(grown: int) -> bool:
    """Print by how much the memory has grown; a quarter of a large wheel is too much for all readers together."""
    is_met = grown < LARGE_BYTES // 4
    result = "met" if is_met else "MISSED"
    print(f"{result}: {SLOW_READERS} slow readers of a large wheel take {grown >> 20} MiB of memory")
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
