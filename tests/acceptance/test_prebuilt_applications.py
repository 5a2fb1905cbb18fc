"""Three applications' requirements, prebuilt from the real index and installed where only our index can be reached."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from packaging.requirements import Requirement
from tests.acceptance.bare_runtime import run_in_runtime, runtime_image
from tests.acceptance.walled_service import WalledService, open_walled

from wheelyard.assembly.parts import pip_wheel
from wheelyard.domain.dependencies.files import holds
from wheelyard.domain.packaging.target import Target
from wheelyard.settings import Settings

EXAMPLES = Path(__file__).parents[2] / "examples" / "prebuild"
PYTHONS = ("3.11", "3.13")
SUITES = {"bookworm": "manylinux_2_36_x86_64", "trixie": "manylinux_2_41_x86_64"}
APPLICATIONS = ("django-site.txt", "data-service.txt", "many-projects.txt")
FEWEST = {"django-site.txt": 7, "data-service.txt": 17, "many-projects.txt": 50}
MODULES = {
    "attrs": "attr",
    "beautifulsoup4": "bs4",
    "lxml": "lxml.etree",
    "markdown-it-py": "markdown_it",
    "opentelemetry-api": "opentelemetry.trace",
    "pillow": "PIL.Image",
    "protobuf": "google.protobuf",
    "pyyaml": "yaml",
    "rpds-py": "rpds",
}
"""What is imported of projects whose module is not named as they are."""

pytestmark = pytest.mark.slow_prebuild


@pytest.fixture(scope="module")
def walled(make_state_dir: Callable[[], Path]) -> Iterator[WalledService]:
    """Give a service and containers that reach nothing else."""
    with open_walled(make_state_dir()) as walled:
        yield walled


@pytest.mark.parametrize("name", APPLICATIONS)
def test_application_is_prebuilt_and_installs_from_our_index_alone(walled: WalledService, name: str) -> None:
    options = [f"--python={python}" for python in PYTHONS] + [f"--platform={platform}" for platform in SUITES.values()]
    command = [*walled.service.launch.command, "prebuild", "-r", str(EXAMPLES / name), *options]
    done = subprocess.run(
        command, env=walled.service.launch.environment, capture_output=True, text=True, check=False, timeout=7200
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for python in PYTHONS:
        for suite, platform in SUITES.items():
            target = Target.parse(python=python, platform=platform)
            _install_and_import(walled, runtime_image(walled.service, suite, python), name, target)


def test_nothing_but_our_index_can_be_reached(walled: WalledService) -> None:
    """Whether the engine refuses the way out or drops what is sent there is its own affair."""
    ours = urlsplit(walled.index_url)
    image = runtime_image(walled.service, "bookworm")
    reached = []
    for address in ((ours.hostname, ours.port), ("1.1.1.1", 443)):
        script = f"python -c \"import socket; socket.create_connection({address}, 5); print('reached')\""
        done = run_in_runtime(walled.service, image, script, {"empty": b""}, network=walled.network)
        assert done.stdout == "reached\n" or "Network is unreachable" in done.stderr or "timed out" in done.stderr
        reached.append(done.stdout == "reached\n")
    assert reached == [True, False]


def _modules(name: str, target: Target) -> list[str]:
    """List a module of every project that an application has on a target."""
    lines = (EXAMPLES / name).read_text().splitlines()
    wanted = [Requirement(line) for line in lines if not line.startswith("#")]
    return sorted({_module_of(one.name) for one in wanted if holds(one.marker, target)})


def _module_of(project: str) -> str:
    return MODULES.get(project, project.replace("-", "_"))


def _install_and_import(walled: WalledService, image: str, name: str, target: Target) -> None:
    pip = pip_wheel(Settings(state_dir=walled.service.state_dir))
    modules = _modules(name, target)
    assert len(modules) >= FEWEST[name]
    script = (
        f"python {pip.name}/pip install --quiet --no-cache-dir --no-compile --disable-pip-version-check --target site "
        f"--only-binary :all: --trusted-host {walled.host} --index-url {walled.index_url} -r requirements.txt "
        f"&& PYTHONPATH=site python -c \"import {', '.join(modules)}; print('imported')\""
    )
    files = {pip.name: pip, "requirements.txt": EXAMPLES / name}
    done = run_in_runtime(walled.service, image, script, files, network=walled.network)
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["imported"]), done.stdout + done.stderr
