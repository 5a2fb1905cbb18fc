"""A prebuild as a CI job uses it: a lock file in, an index out that installs on every target."""

import hashlib
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import standardwebhooks
from tests.acceptance.bare_runtime import run_in_runtime, runtime_image
from tests.acceptance.processes import wait_for
from tests.acceptance.running_service import Completed, Document, Launch, RunningService, running
from tests.acceptance.upstream import ABI3, NATIVE, VERSION, Upstream
from tests.contract.webhook_receiver import Receiver, open_receiver
from tests.integration.index_clients import install_clients
from tests.integration.prebuild_service import make_wheel
from uv import find_uv_bin

from wheelyard.assembly.parts import pip_wheel
from wheelyard.settings import Settings

SUITES = ("bookworm", "trixie")
WEBHOOK_SECRET = "a long secret of the tests"
PLATFORMS = ("manylinux_2_36_x86_64", "manylinux_2_41_x86_64")
IMPORT = "import flat, stable, _stable; assert flat.ANSWER == 42; print('imported')"
PYPROJECT = f"""
[project]
name = "application"
version = "1.0"
requires-python = ">=3.11"
dependencies = ["flat=={VERSION}", "stable=={VERSION}"]
"""


@dataclass(frozen=True, kw_only=True)
class Prebuilt:
    """What a prebuild left behind."""

    service: RunningService
    folder: Path
    said: Completed
    receiver: Receiver
    """Gets the webhook, and fails twice before that."""

    def read(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()


@pytest.fixture(scope="module")
def prebuilt(spare_state_dir: Path, upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prebuilt]:
    """Prebuild a pure project and one for the stable ABI, from a lock with hashes, for two platforms."""
    folder = tmp_path_factory.mktemp("application")
    upstream.add("flat")
    upstream.add("stable", ABI3)
    names = [f"{name}-{VERSION}.tar.gz" for name in ("flat", "stable")]
    digests = [hashlib.sha256(upstream.files[name]).hexdigest() for name in names]
    lines = [f"flat=={VERSION} --hash=sha256:{digests[0]}", f"stable=={VERSION} \\", f"    --hash=sha256:{digests[1]}"]
    (folder / "requirements.txt").write_text("\n".join(["-e .", *lines, ""]))
    settings = {
        "UPSTREAM_INDEX_URL": upstream.url,
        "WEBHOOK_SECRET": WEBHOOK_SECRET,
        "WEBHOOK_HOSTS": '["127.0.0.1"]',
    }
    with (
        open_receiver() as receiver,
        running(Launch(state_dir=spare_state_dir, settings=settings)) as service,
    ):
        receiver.statuses = [503, 404]
        options = [option for platform in PLATFORMS for option in ("--platform", platform)]
        files = ("--lock-out", str(folder / "locked.txt"), "--junit", str(folder / "junit.xml"))
        said = service.cli(
            "prebuild",
            "-r",
            str(folder / "requirements.txt"),
            "--python",
            "3.13",
            *options,
            *files,
            "--webhook",
            receiver.url,
        )
        yield Prebuilt(service=service, folder=folder, said=said, receiver=receiver)


def test_prebuild_starts_one_build_for_each_project_and_ends_with_0(prebuilt: Prebuilt) -> None:
    assert prebuilt.said.returncode == 0, prebuilt.said.stdout + prebuilt.said.stderr
    assert "4 present; 2 builds\n" in prebuilt.said.stderr
    assert "requirements.txt:1: left out '-e .'" in prebuilt.said.stderr
    assert "install with: pip install --only-binary :all:" in prebuilt.said.stderr
    listed = prebuilt.service.http.get("/v1/builds").raise_for_status().json()["builds"]
    assert sorted(
        (build["project"], build["platform"]) for build in listed if build["project"] in {"flat", "stable"}
    ) == [
        ("flat", PLATFORMS[0]),
        ("stable", PLATFORMS[0]),
    ]
    suite = ET.fromstring(prebuilt.read("junit.xml"))  # noqa: S314  our own
    assert (suite.get("tests"), suite.get("failures")) == ("4", "0")


def test_webhook_arrives_though_its_receiver_has_failed_twice(prebuilt: Prebuilt) -> None:
    (listed,) = [
        request
        for request in prebuilt.service.http.get("/v1/requests").raise_for_status().json()["requests"]
        if request["finished_at"]
    ][-1:]

    def delivered() -> Document | None:
        request: Document = prebuilt.service.http.get(listed["url"]).raise_for_status().json()
        return request if request["webhook"]["state"] == "delivered" else None

    request = wait_for("the webhook", delivered, seconds=60)
    assert request["webhook"]["attempts"] == 3
    bodies = [body for body, _ in prebuilt.receiver.received]
    assert bodies[0] == bodies[1] == bodies[2]
    body, headers = prebuilt.receiver.received[-1]
    told = json.loads(body)["request"]
    assert (told["id"], told["is_installable"], told["counts"]) == (request["id"], True, {"present": 4})
    secret = prebuilt.service.cli("webhook-secret", prebuilt.receiver.url).stdout.strip()
    assert standardwebhooks.Webhook(secret).verify(body, headers) == json.loads(body)


def test_need_that_only_the_wheel_tells_of_is_missed_and_known_from_then_on(
    prebuilt: Prebuilt, upstream: Upstream
) -> None:
    """Of old sdists; the wheel was proven with what it needs from upstream, so it is on the index by then."""
    wanted = ("prebuild", upstream.add("silent", needs=("flat",), is_stated=False), "--python", "3.13")
    first = prebuilt.service.cli(*wanted)
    assert first.returncode == 1, first.stdout + first.stderr
    assert "its wheel needs flat, which its sdist did not say" in first.stderr
    again = prebuilt.service.cli(*wanted)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "2 present; no builds" in again.stderr


def test_wheel_that_is_built_takes_the_place_of_the_mirrored_one(prebuilt: Prebuilt, upstream: Upstream) -> None:
    theirs = f"displaced-{VERSION}-cp313-cp313-manylinux_2_28_x86_64.whl"
    requirement = upstream.add("displaced", NATIVE)
    upstream.files[theirs] = make_wheel(theirs, {"displaced.py": "ANSWER = 41\n"})

    def listed() -> dict[str, str]:
        headers = {"Accept": "application/vnd.pypi.simple.v1+json"}
        page = prebuilt.service.http.get("/simple/displaced/", headers=headers).raise_for_status().json()
        return {file["filename"]: file["_origin"] for file in page["files"]}

    def prebuild(prefer: str) -> None:
        wanted = ("prebuild", requirement, "--python", "3.13", "--prefer", prefer)
        said = prebuilt.service.cli(*wanted)
        assert said.returncode == 0, said.stdout + said.stderr

    prebuild("upstream")
    assert listed() == {theirs: "mirrored"}
    prebuild("own")
    (ours,) = listed()
    assert (ours.startswith(f"displaced-{VERSION}-1.bookworm-cp313-"), listed()[ours]) == (True, "built")
    prebuild("upstream")
    assert listed() == {ours: "built"}


@pytest.mark.parametrize("suite", SUITES)
def test_pip_installs_the_lock_that_was_given_back_in_the_bare_runtime(prebuilt: Prebuilt, suite: str) -> None:
    lock = prebuilt.read("locked.txt").decode()
    assert "\n# -e .  (pip installs no folder" in lock
    assert lock.count("--hash=sha256:") == 2, "ours in the place of theirs"
    assert lock.startswith(f"--index-url {prebuilt.service.url}/simple/\n")
    pip = pip_wheel(Settings(state_dir=prebuilt.service.state_dir))
    install = (
        f"python {pip.name}/pip install --quiet --no-cache-dir --disable-pip-version-check --target site "
        f"--only-binary :all: --require-hashes -r locked.txt"
    )
    done = run_in_runtime(
        prebuilt.service,
        runtime_image(prebuilt.service, suite),
        f'{install} && PYTHONPATH=site python -c "{IMPORT}"',
        {pip.name: pip, "locked.txt": lock.encode()},
    )
    assert (done.returncode, done.stdout) == (0, "imported\n"), done.stderr


def test_uv_syncs_from_the_lock_that_was_given_back(prebuilt: Prebuilt, upstream: Upstream, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    subprocess.run(
        [
            *(find_uv_bin(), "lock", "--quiet", "--default-index", upstream.url, "--no-config"),
            *("--python", sys.executable, "--no-python-downloads"),
        ],
        cwd=tmp_path,
        check=True,
        env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]},
    )
    lock = tmp_path / "uv.lock"
    done = prebuilt.service.cli("prebuild", "-r", str(lock), "--python", "3.13", "--lock-out", str(lock))
    assert done.returncode == 0, done.stderr
    assert upstream.url[:-7] not in lock.read_text(), "only our index is left"
    # Not --frozen: uv itself has to find the lock good as it is, and to leave it so.
    index = f"--default-index {prebuilt.service.url}/simple/"
    sync = f"./uv sync --quiet {index} --no-python-downloads --no-build --no-install-project"
    synced = run_in_runtime(
        prebuilt.service,
        runtime_image(prebuilt.service, SUITES[0]),
        f'cp uv.lock before && {sync} && cmp uv.lock before && .venv/bin/python -c "{IMPORT}"',
        {"uv": Path(find_uv_bin()), "pyproject.toml": PYPROJECT.encode(), "uv.lock": lock.read_bytes()},
    )
    assert (synced.returncode, synced.stdout) == (0, "imported\n"), synced.stderr


async def test_poetry_syncs_from_the_lock_that_was_given_back(
    prebuilt: Prebuilt, upstream: Upstream, tmp_path: Path
) -> None:
    """A lock that was made without our index, as from PyPI, for which the plugin stands."""
    (tmp_path / "pyproject.toml").write_text(f"{PYPROJECT}[tool.poetry]\npackage-mode = false\n")
    clients = install_clients(tmp_path / "clients")

    async def run(*command: str, index: str = "http://127.0.0.1:9/simple/") -> str:
        settings = {"POETRY_PYPI_MIRROR_URL": index, "POETRY_VIRTUALENVS_IN_PROJECT": "true"}
        done = await clients.run(*command, cwd=tmp_path, env=settings)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    await run("poetry", "lock", "--no-interaction", index=upstream.url)
    lock = tmp_path / "poetry.lock"
    done = prebuilt.service.cli("prebuild", "-r", str(lock), "--python", "3.13", "--lock-out", str(lock))
    assert done.returncode == 0, done.stderr
    locked = {package["name"]: package["source"]["url"] for package in tomllib.loads(lock.read_text())["package"]}
    assert locked.keys() == {"flat", "stable"}
    assert all(url.startswith(f"{prebuilt.service.url}/files/") for url in locked.values())
    await run("poetry", "check", "--lock")
    await run("poetry", "sync", "--no-interaction")
    assert await run("poetry", "run", "python", "-c", IMPORT) == "imported\n"
