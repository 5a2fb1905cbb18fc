"""Measure what signing adds to a build, and what it takes to verify wheels.

It signs the statements of builds with images of as many packages as Debian's builder and runtime have, with a key of an
authority of its own, and prints the share of a build of ten seconds. Then it verifies that many wheels from disk.

    python -m benchmarks.signing [--wheels 200] [--wheel-kib 800]

What reads the list of packages out of an image is not measured: it is done once for each image and process.
"""

import argparse
import asyncio
import hashlib
import os
import statistics
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from tests.contract.samples import sample_order, sample_wheel

from wheelyard.adapters.signing.authority import make_authority, open_authority
from wheelyard.adapters.signing.leaf import CertifiedKey, SigningKey
from wheelyard.domain.catalogue.packages import InstalledPackage
from wheelyard.domain.catalogue.sbom import ImageContent
from wheelyard.domain.provenance.statements import BuildRun, Signing, describe_build
from wheelyard.provenance_check import SUFFIX, beside, check_all, read_authority
from wheelyard.usecases.signing.attest import sign_file

BUILD_SECONDS = 10.0
GOAL = 0.03


def image(name: str, packages: int) -> ImageContent:
    """Return an image with this many packages."""
    listed = (
        InstalledPackage(name=f"libpackage{number}-dev", version=f"1:2.{number}-1+deb12u1", architecture="amd64")
        for number in range(packages)
    )
    return ImageContent(name=name, version="0" * 64, distribution="debian", suite="bookworm", packages=tuple(listed))


def sign(key: CertifiedKey, filename: str, data: bytes) -> bytes:
    """Return the provenance of a wheel, described and signed as a worker does it."""
    now, digest = datetime.now(UTC), hashlib.sha256(data).hexdigest()
    wheel = replace(sample_wheel(), filename=filename, sha256=digest)
    images = {wheel.builder_image: image("builder", 150), wheel.runtime_image: image("runtime", 95)}
    run = BuildRun(build_id="b", attempt=1, started_at=now, finished_at=now, images=images)
    signing = Signing(builder_id=key.builder_id, version="0", at=now)
    return sign_file(key, filename, digest, describe_build(sample_order(), wheel, run, signing))


def measure(folder: Path, *, wheels: int, kib: int) -> None:
    """Measure and print."""
    now = datetime.now(UTC)
    certificate, file = folder / "certificate.pem", folder / "key.pem"
    make_authority(certificate, file, name="benchmark", now=now)
    authority, key = open_authority(certificate, key_file=file, command=()), SigningKey()
    issued = asyncio.run(authority.issue(key.public, builder_id="urn:benchmark", name="worker", days=1, now=now))
    signer = key.certified(issued.data, authority.pem)
    content, taken, sizes = os.urandom(kib << 10), [], []
    store = folder / "wheels"
    store.mkdir()
    for number in range(wheels):
        name = f"demo-{number}-1-py3-none-any.whl"
        began = time.perf_counter()
        provenance = sign(signer, name, content)
        taken.append(time.perf_counter() - began)
        sizes.append(len(provenance))
        (store / name).write_bytes(content)
        (store / f"{name}{SUFFIX}").write_bytes(provenance)
    median = statistics.median(taken)
    print(f"signing one wheel    {median * 1000:8.2f} ms, {statistics.median(sizes) / 1024:.1f} KiB")
    share = median / BUILD_SECONDS
    met = "met" if share <= GOAL else "not met"
    print(f"of a 10 s build      {share:8.3%}, the goal of {GOAL:.0%} is {met}")
    began, cpu = time.perf_counter(), time.process_time()
    results = check_all(store, beside(None), read_authority(authority.pem))
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    began = time.perf_counter()
    for one in store.glob("*.whl"):
        hashlib.sha256(one.read_bytes()).hexdigest()
    hashing = time.perf_counter() - began
    assert all(one.holds for one in results)
    print(f"verifying {wheels} wheels {seconds:8.2f} s, {cpu:.2f} s of a processor; their hashes alone {hashing:.2f} s")


def main() -> None:
    """Measure with the options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheels", type=int, default=200)
    parser.add_argument("--wheel-kib", type=int, default=800)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), wheels=given.wheels, kib=given.wheel_kib)


if __name__ == "__main__":
    main()
