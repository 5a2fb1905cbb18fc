"""An x86_64 host builds for aarch64: by emulation, with a cross-compiled CPython, into the same index.

It needs qemu-user and binfmt_misc, and some minutes for the images: ``make test-arm`` runs it.
"""

import io
import json
import platform
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from tests.acceptance.bare_runtime import run_in_runtime
from tests.acceptance.running_service import Document, Launch, RunningService, running

from wheelyard.adapters.host.emulation import check_emulator
from wheelyard.assembly.parts import pip_wheel
from wheelyard.settings import Settings

pytestmark = [
    pytest.mark.slow_arm,
    pytest.mark.skipif(platform.machine() != "x86_64", reason="it emulates aarch64 on x86_64"),
]

PLATFORM: Final = "manylinux_2_36_aarch64"
PROJECTS: Final = ("markupsafe", "pyyaml", "lxml", "rpds-py")
SECONDS: Final = 5400.0
"""How long a build may take; the first one makes the images."""
AARCH64: Final = 183
"""e_machine of AArch64 in an ELF header."""


@pytest.fixture(scope="module")
def emulating(make_state_dir: Callable[[], Path]) -> Iterator[RunningService]:
    check_emulator("aarch64")
    launch = Launch(state_dir=make_state_dir(), settings={"WORKER_EMULATES": '["aarch64"]'})
    with running(launch) as service:
        yield service


@pytest.fixture(scope="module")
def built(emulating: RunningService) -> dict[str, Document]:
    submitted = {name: emulating.submit(name, platform=PLATFORM)["id"] for name in PROJECTS}
    return {name: emulating.finished(build_id, seconds=SECONDS) for name, build_id in submitted.items()}


@pytest.mark.parametrize("project", PROJECTS)
def test_project_is_built_repaired_proven_and_published(
    emulating: RunningService, built: dict[str, Document], project: str
) -> None:
    build = built[project]
    assert build["status"] == "succeeded", emulating.log(build["id"])
    assert "emulated: this worker runs aarch64 by qemu-user" in emulating.log(build["id"])
    wheel = build["wheel"]
    assert wheel["filename"].endswith("_aarch64.whl")
    assert [proof["platform"] for proof in wheel["proofs"]] == [PLATFORM]
    assert wheel["imported_modules"]
    content = emulating.http.get(f"/files/{wheel['filename']}").raise_for_status().content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        modules = {name: archive.read(name)[:20] for name in archive.namelist() if ".so" in name}
    assert modules
    assert {int.from_bytes(head[18:20], "little") for head in modules.values()} == {AARCH64}


def test_pip_chooses_every_wheel_for_that_platform(
    emulating: RunningService, built: dict[str, Document], tmp_path: Path
) -> None:
    tags = {tag for build in built.values() for tag in build["wheel"]["tag"].split("-")[2].split(".")}
    pip = pip_wheel(Settings(state_dir=emulating.state_dir))
    completed = subprocess.run(
        [
            *(sys.executable, f"{pip}/pip", "--isolated", "--disable-pip-version-check", "--no-cache-dir", "download"),
            *(
                "--only-binary",
                ":all:",
                "--index-url",
                f"{emulating.url}/simple/",
                "--dest",
                str(tmp_path),
                "--no-deps",
            ),
            *("--python-version", "3.13", "--implementation", "cp", "--abi", "cp313"),
            *(f"--platform={tag}" for tag in sorted({PLATFORM, *tags})),
            *PROJECTS,
        ],
        capture_output=True,
        check=False,
        text=True,
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr
    chosen = sorted(file.name for file in tmp_path.iterdir())
    assert chosen == sorted(build["wheel"]["filename"] for build in built.values())


def test_pip_on_an_emulated_machine_installs_them_from_the_index(
    emulating: RunningService, built: dict[str, Document]
) -> None:
    made = emulating.cli("builders", "build", "bookworm", "--architecture", "aarch64", "--json")
    assert made.returncode == 0, made.stdout + made.stderr
    pip = pip_wheel(Settings(state_dir=emulating.state_dir))
    script = (
        f"python {pip.name}/pip install --quiet --disable-pip-version-check --no-cache-dir --no-deps --target here "
        f"--only-binary :all: --index-url {emulating.url}/simple/ {' '.join(PROJECTS)} >&2 && "
        "PYTHONPATH=here python -c 'import platform; import markupsafe._speedups, yaml._yaml, lxml.etree, rpds.rpds; "
        "print(platform.machine())'"
    )
    done = run_in_runtime(emulating, json.loads(made.stdout)["runtime"], script, {pip.name: pip})
    assert done.returncode == 0, done.stderr
    assert done.stdout == "aarch64\n"
    assert all(build["status"] == "succeeded" for build in built.values())


def test_worker_and_its_host_say_what_is_emulated(emulating: RunningService) -> None:
    (worker,) = emulating.http.get("/v1/workers").raise_for_status().json()
    assert worker["architecture"] == "x86_64"
    assert {one["architecture"] for one in worker["emulated"]} == {"aarch64"}
    assert "aarch64: bookworm: Python 3.13" in emulating.cli("workers").stdout
    assert "aarch64, by qemu-user" in emulating.cli("doctor").stdout


def test_default_stays_the_hosts_own_platform(emulating: RunningService) -> None:
    targets = emulating.http.get("/v1/targets").raise_for_status().json()
    assert PLATFORM in {target["platform"] for target in targets}
    assert [target["platform"] for target in targets if target["default"]] == ["manylinux_2_36_x86_64"]
