"""Compare an upload, from its first byte to the index that lists it, with the same audit and proof by hand.

Copies of one wheel are uploaded, each as a release of its own. By hand means: `auditwheel show` in the builder image,
then for each target on which the service proved the wheel `uv pip install` and an import in that bare runtime image,
each in a new container without a network, one after the other. Both run in turn, in one run. Then many copies are
uploaded at once, and each must be listed. Exit code 1 tells that a goal was missed: 5 s, 1.3 times the time by hand,
and none lost.

    python -m benchmarks.intake WHEEL [--pairs 5] [--at-once 50]

WHEEL is a small wheel that is right, such as one of markupsafe. The benchmark needs a running service (`wheelyard up`),
and the copies stay on its index: use a service of its own.
"""

import argparse
import base64
import csv
import hashlib
import io
import statistics
import subprocess
import sys
import tarfile
import time
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
from benchmarks.book import ask
from packaging.utils import parse_wheel_filename
from uv import find_uv_bin

from wheelyard.cli.connection import find_connection

MOST_SECONDS: Final = 5.0
MOST_RATIO: Final = 1.3
MOST_WAIT_SECONDS: Final = 1800.0
AUDIT: Final = "cat > /scratch/{name} && /opt/wheelyard/tools/bin/auditwheel show /scratch/{name}"
PROOF: Final = """set -e; cd /scratch; cat > files.tar; tar xf files.tar
./uv venv --quiet --offline --no-project --python /opt/python/{python}/bin/python{python} v
./uv pip install --quiet --offline --no-deps --python v/bin/python ./{name}
v/bin/python -c 'import {modules}'
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Copy:
    """A copy of the wheel as another release."""

    filename: str
    data: bytes


def main() -> None:
    """Measure, print what came out, and exit with 1 if a goal was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--at-once", type=int, default=50)
    options = parser.parse_args()
    connection = find_connection(None)
    copies = make_copies(options.wheel)
    headers = {"Authorization": f"Bearer {connection.token}"}
    with httpx.Client(base_url=connection.url, headers=headers, timeout=MOST_WAIT_SECONDS) as client:
        met = [_compare(client, copies, pairs=options.pairs), _flood(client, copies, count=options.at_once)]
    sys.exit(0 if all(met) else 1)


def make_copies(wheel: Path) -> Iterator[Copy]:
    """Yield copies of a wheel, each with a version of its own that no earlier run had."""
    _, version, _, _ = parse_wheel_filename(wheel.name)
    stem, _, tag = wheel.name.partition(f"-{version}-")
    begun = time.time_ns() // 1_000_000_000
    for number in range(1, 100_000):
        release = f"{version.public}.post{begun}{number:05}"
        yield Copy(filename=f"{stem}-{release}-{tag}", data=rename(wheel.read_bytes(), stem, str(version), release))


def rename(data: bytes, stem: str, version: str, release: str) -> bytes:
    """Return a wheel's bytes with another version in METADATA, in the name of its folder and in RECORD."""
    old, new = f"{stem}-{version}.dist-info/", f"{stem}-{release}.dist-info/"
    written = io.BytesIO()
    record = io.StringIO(newline="")
    rows = csv.writer(record, lineterminator="\n")
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as target:
        for member in source.infolist():
            name = member.filename.replace(old, new, 1)
            content = source.read(member)
            if member.is_dir() or name == f"{new}RECORD":
                continue
            if name == f"{new}METADATA":
                content = content.replace(f"\nVersion: {version}\n".encode(), f"\nVersion: {release}\n".encode(), 1)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            rows.writerow([name, f"sha256={digest}", len(content)])
            member.filename = name
            target.writestr(member, content)
        rows.writerow([f"{new}RECORD", "", ""])
        target.writestr(f"{new}RECORD", record.getvalue())
    return written.getvalue()


def _compare(client: httpx.Client, copies: Iterator[Copy], *, pairs: int) -> bool:
    """Upload and do the same by hand, in turn; print the medians; return whether both goals are met."""
    first = _upload(client, next(copies))  # makes the images, if they are not there
    build = client.get(first["build_url"]).raise_for_status().json()
    results: list[tuple[float, float]] = []
    for copy in (next(copies) for _ in range(pairs)):
        begun = time.monotonic()
        _wait_until_listed(client, _upload(client, copy))
        service = time.monotonic() - begun
        results.append((service, _by_hand(copy, build["wheel"])))
    service = statistics.median(ours for ours, _ in results)
    hand = statistics.median(theirs for _, theirs in results)
    ratio = statistics.median(ours / theirs for ours, theirs in results)
    targets = len(build["wheel"]["proofs"])
    print(
        f"one upload, proven on {targets} targets: {service:.2f} s; by hand {hand:.2f} s; ratio {ratio:.2f} "
        f"(goals: {MOST_SECONDS:.0f} s, {MOST_RATIO})",
        flush=True,
    )
    return service <= MOST_SECONDS and ratio <= MOST_RATIO


def _upload(client: httpx.Client, copy: Copy) -> dict[str, Any]:
    """Upload a copy and wait for its end; exit if it was refused."""
    parameters = {"filename": copy.filename, "sha256": hashlib.sha256(copy.data).hexdigest()}
    answer = ask(client, "POST", "/v1/files", params=parameters, content=copy.data)
    if answer.is_error:
        raise SystemExit(f"{copy.filename} was refused: {answer.text}")
    file: dict[str, Any] = answer.json()
    begun = time.monotonic()
    while file["state"] == "pending" and time.monotonic() - begun < MOST_WAIT_SECONDS:
        time.sleep(2)
        file = ask(client, "GET", file["url"]).raise_for_status().json()
    if file["state"] != "published":
        raise SystemExit(f"{copy.filename} is {file['state']}: {file['failure']}")
    return file


def _wait_until_listed(client: httpx.Client, file: dict[str, Any]) -> None:
    while not _is_listed(client, file):
        time.sleep(0.02)


def _is_listed(client: httpx.Client, file: dict[str, Any]) -> bool:
    accept = {"Accept": "application/vnd.pypi.simple.v1+json"}
    page = ask(client, "GET", f"/simple/{file['project']}/", headers=accept)
    return page.is_success and any(one["filename"] == file["wheel_filename"] for one in page.json()["files"])


def _by_hand(copy: Copy, wheel: dict[str, Any]) -> float:
    begun = time.monotonic()
    _run(wheel["builder_image"], AUDIT.format(name=copy.filename), copy.data)
    for proof in wheel["proofs"]:
        script = PROOF.format(name=copy.filename, python=proof["python"], modules=", ".join(proof["imported_modules"]))
        _run(proof["runtime_image"], script, _pack(copy))
    return time.monotonic() - begun


def _pack(copy: Copy) -> bytes:
    """Return a tar file with uv and the wheel."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.add(find_uv_bin(), arcname="uv")
        member = tarfile.TarInfo(copy.filename)
        member.size = len(copy.data)
        tar.addfile(member, io.BytesIO(copy.data))
    return packed.getvalue()


def _run(image: str, script: str, data: bytes) -> None:
    label = "org.wheelyard.benchmark=intake"
    options = ["--rm", "--interactive", "--network", "none", "--label", label, "--tmpfs", "/scratch:rw,exec,mode=1777"]
    command = ["docker", "run", *options, image, "sh", "-c", script]
    done = subprocess.run(command, input=data, capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(f"by hand it fails: {done.stderr.decode()[-2000:]}")


def _flood(client: httpx.Client, copies: Iterator[Copy], *, count: int) -> bool:
    """Upload many copies at once; print how they ended; return whether each is listed."""
    wanted = [next(copies) for _ in range(count)]
    begun = time.monotonic()
    with ThreadPoolExecutor(max(count, 1)) as pool:
        files: Sequence[dict[str, Any]] = list(pool.map(lambda copy: _upload(client, copy), wanted))
    seconds = time.monotonic() - begun
    listed = sum(_is_listed(client, file) for file in files)
    states = ", ".join(f"{state} {number}" for state, number in Counter(file["state"] for file in files).items())
    print(f"{count} uploads at once: {states}; listed {listed}, lost {count - listed}, in {seconds:.0f} s", flush=True)
    return listed == count


if __name__ == "__main__":
    main()
