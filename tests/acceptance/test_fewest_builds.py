"""The fewest builds, for real: what a prebuild for three floors starts, and what pip takes of it in each runtime."""

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest
from tests.acceptance.bare_runtime import run_in_runtime, runtime_image
from tests.acceptance.running_service import Document, Launch, RunningService, running
from tests.acceptance.upstream import ABI3, NATIVE, QUICK, Upstream

from wheelyard.assembly.parts import pip_wheel
from wheelyard.settings import Settings

PYTHONS = ("3.11", "3.13")
SUITES = {
    "bullseye": "manylinux_2_31_x86_64",
    "bookworm": "manylinux_2_36_x86_64",
    "trixie": "manylinux_2_41_x86_64",
}
PROJECTS = {"plain": QUICK, "lasting": ABI3, "own": NATIVE}
LOWEST = SUITES["bullseye"]
FEWEST = {
    "plain": [("3.11", LOWEST)],
    "lasting": [("3.11", LOWEST)],
    "own": [("3.11", LOWEST), ("3.13", LOWEST)],
}
"""A pure project takes one build, one for the stable ABI one for the lowest Python, a native one as many as those."""
KINDS = {"plain": "-py3-none-any.whl", "lasting": "-cp311-abi3-manylinux", "own": "-cp{0}-cp{0}-manylinux"}
"""What the names of their wheels have, for a Python."""

pytestmark = pytest.mark.slow_prebuild


@dataclass(frozen=True, kw_only=True)
class Served:
    """A service that has prebuilt a project of each kind, and what it says of it."""

    service: RunningService
    request: Document

    def wheels(self, python: str, platform: str) -> dict[str, str]:
        """List the wheels that are to serve a target, by project."""
        here = {"python": python, "platform": platform}.items()
        return {item["project"]: item["filename"] for item in self.request["items"] if here <= item.items()}


@pytest.fixture(scope="module")
def served(make_state_dir: Callable[[], Path], upstream: Upstream) -> Iterator[Served]:
    """Prebuild a project of each kind, of which there are sdists only, for two Pythons on three platforms."""
    requirements = [upstream.add(project, act) for project, act in PROJECTS.items()]
    targets = [f"--python={python}" for python in PYTHONS] + [f"--platform={platform}" for platform in SUITES.values()]
    with running(Launch(state_dir=make_state_dir(), settings={"UPSTREAM_INDEX_URL": upstream.url})) as service:
        command = [*service.launch.command, "prebuild", *requirements, *targets, "--json"]
        done = subprocess.run(
            command, env=service.launch.environment, capture_output=True, text=True, check=False, timeout=7200
        )
        assert done.returncode == 0, done.stdout + done.stderr
        yield Served(service=service, request=json.loads(done.stdout))


def test_one_build_serves_all_targets_that_its_tags_allow(served: Served) -> None:
    begun: dict[str, list[tuple[str, str]]] = {project: [] for project in PROJECTS}
    for build in served.request["builds"]:
        begun[build["project"]].append((build["python"], build["platform"]))
    assert {project: sorted(targets) for project, targets in begun.items()} == FEWEST
    assert served.request["counts"] == {"present": len(PROJECTS) * len(PYTHONS) * len(SUITES)}
    listed = served.service.http.get("/v1/builds").raise_for_status().json()["builds"]
    assert len(listed) == sum(map(len, FEWEST.values())), "none was started and cancelled again"


@pytest.mark.parametrize(("suite", "python"), list(product(SUITES, PYTHONS)))
def test_pip_takes_the_wheels_that_are_to_serve_a_runtime(served: Served, suite: str, python: str) -> None:
    expected = served.wheels(python, SUITES[suite])
    assert all(KINDS[project].format(python.replace(".", "")) in file for project, file in expected.items())
    pip = pip_wheel(Settings(state_dir=served.service.state_dir))
    script = (
        f"python {pip.name}/pip install --quiet --no-cache-dir --disable-pip-version-check --target site --report "
        f"report.json --only-binary :all: --index-url {served.service.url}/simple/ {' '.join(PROJECTS)} >&2; "
        'PYTHONPATH=site python -c "import plain, lasting, own, _stable, _native"; cat report.json'
    )
    image = runtime_image(served.service, suite, python)
    done = run_in_runtime(served.service, image, script, {pip.name: pip})
    assert done.returncode == 0, done.stderr
    taken = [entry["download_info"]["url"].rpartition("/")[2] for entry in json.loads(done.stdout)["install"]]
    assert sorted(taken) == sorted(expected.values())
