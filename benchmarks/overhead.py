"""Compare a whole warm request, from POST to installable, with the bare build and repair of the same sdist.

Both run on the same image, in turn, in one run. The service does everything (queue, sandboxes, new containers,
verification, publishing, read-back). The bare build is `pip wheel` (with its isolated build environment) and
`auditwheel repair` in a container that runs already. It prints medians and the median of the pairwise ratios.

    python -m benchmarks.overhead [--pairs 3] [--project idna==3.20 ...]

It needs a running service (`wheelyard up`). Each request names another platform, so none joins an existing build.
"""

import argparse
import contextlib
import os
import statistics
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from uv import find_uv_bin

from wheelyard.cli.connection import Connection, find_connection

PROJECTS = ("idna==3.20", "markupsafe==3.0.4", "lxml==6.1.3")
GLIBC_MINORS = range(36, 100)
CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
BARE_SETUP = """
cd /scratch; chmod +x uv; ./uv venv --quiet --python /opt/python/3.13/bin/python3.13 v
./uv pip install --quiet --python v/bin/python pip
"""
BARE_BUILD = """
set -e; cd /scratch; rm -rf out fixed
v/bin/python -m pip wheel --quiet --no-deps --no-binary :all: --no-cache-dir --wheel-dir out sdist/*
case "$(echo out/*.whl)" in
  *-any.whl) ;;
  *) PATH=/opt/wheelyard/tools/bin:$PATH auditwheel repair -w fixed out/*.whl ;;
esac
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """One build by the service and one bare build, in seconds."""

    service: float
    bare: float
    stages: dict[str, float]


def main() -> None:
    """Run every project's pairs and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--project", action="append")
    arguments = parser.parse_args()
    connection = find_connection(None)
    with _client(connection) as client:
        for requirement in arguments.project or PROJECTS:
            _measure(client, requirement, pairs=arguments.pairs)


def _client(connection: Connection) -> httpx.Client:
    return httpx.Client(base_url=connection.url, headers={"Authorization": f"Bearer {connection.token}"}, timeout=60)


def _measure(client: httpx.Client, requirement: str, *, pairs: int) -> None:
    minors = iter(_unused_minors(client, requirement))
    warm = _build(client, requirement, next(minors))
    image = warm["wheel"]["builder_image"]
    with _bare_container(image, warm["sdist"]) as container:
        _bare_build(container)
        results = []
        for _ in range(pairs):
            started = time.monotonic()
            build = _build(client, requirement, next(minors))
            service = time.monotonic() - started
            timings = {timing["stage"]: timing["seconds"] for timing in build["attempts"][-1]["timings"]}
            results.append(Pair(service=service, bare=_bare_build(container), stages=timings))
    _report(requirement, results)


def _unused_minors(client: httpx.Client, requirement: str) -> list[int]:
    project = requirement.split("==", maxsplit=1)[0]
    builds = client.get("/v1/builds", params={"project": project, "limit": 200}).raise_for_status().json()["builds"]
    used = {build["platform"] for build in builds}
    return [minor for minor in GLIBC_MINORS if f"manylinux_2_{minor}_x86_64" not in used]


def _build(client: httpx.Client, requirement: str, minor: int) -> dict[str, Any]:
    """Request a wheel and follow the build to its end, as a client would."""
    body = {"requirement": requirement, "python": "3.13", "platform": f"manylinux_2_{minor}_x86_64"}
    answer = client.post("/v1/builds", json=body).raise_for_status().json()
    with client.stream("GET", answer["log_url"], headers={"Accept": "text/event-stream"}, timeout=3600) as events:
        for line in events.iter_lines():
            if line == "event: end":
                break
    build: dict[str, Any] = client.get(answer["url"]).raise_for_status().json()
    if build["status"] != "succeeded":
        raise SystemExit(f"{requirement} did not build: {build['failure']}")
    return build


@contextlib.contextmanager
def _bare_container(image: str, sdist: dict[str, Any]) -> Iterator[str]:
    """Start a container of the same image, with a network, pip and the sdist in it."""
    name = f"wheelyard-bench-{uuid.uuid4().hex[:8]}"
    label = "org.wheelyard.benchmark=overhead"
    ulimit = f"nofile={os.environ.get('WHEELYARD_ENGINE_OPEN_FILES', '16384')}"
    scratch = "/scratch:rw,exec,mode=1777"
    options = ["--detach", "--rm", "--name", name, "--label", label, "--ulimit", ulimit, "--tmpfs", scratch]
    certificates = [f"--env={key}=/scratch/ca.crt" for key in ("PIP_CERT", "SSL_CERT_FILE")]
    _engine("run", *options, *certificates, "--network", "host", image, "sleep", "36000")
    try:
        _send(name, CA_BUNDLE, "ca.crt")
        _send(name, find_uv_bin(), "uv")
        content = httpx.get(sdist["url"], follow_redirects=True).raise_for_status().content
        _shell(name, f"mkdir /scratch/sdist; cat > /scratch/sdist/{sdist['filename']}", content)
        _shell(name, BARE_SETUP)
        yield name
    finally:
        _engine("rm", "--force", name)


def _bare_build(container: str) -> float:
    started = time.monotonic()
    _shell(container, BARE_BUILD)
    return time.monotonic() - started


def _send(container: str, path: str, name: str) -> None:
    _shell(container, f"cat > /scratch/{name}", Path(path).read_bytes())


def _shell(container: str, script: str, data: bytes = b"") -> None:
    _engine("exec", "--interactive", container, "sh", "-c", script, data=data)


def _engine(*arguments: str, data: bytes = b"") -> None:
    done = subprocess.run(["docker", *arguments], input=data, capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(f"docker {arguments[0]} failed: {done.stderr.decode()[-2000:]}")


def _report(requirement: str, pairs: list[Pair]) -> None:
    service = statistics.median(pair.service for pair in pairs)
    bare = statistics.median(pair.bare for pair in pairs)
    ratios = [pair.service / pair.bare for pair in pairs]
    print(
        f"{requirement:22} service {service:7.2f} s   bare {bare:7.2f} s   ratio {statistics.median(ratios):5.2f} "
        f"(pairs {', '.join(f'{ratio:.2f}' for ratio in ratios)})"
    )
    stages = {stage: statistics.median(pair.stages[stage] for pair in pairs) for stage in pairs[0].stages}
    shown = "  ".join(f"{stage} {seconds:.2f}" for stage, seconds in stages.items())
    print(f"{'':23}{shown}  rest {service - sum(stages.values()):.2f}", flush=True)


if __name__ == "__main__":
    main()
