"""Inputs that name a commit and a file: locked, and installed by each tool while repository and upstream are gone."""

import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from tests.acceptance.upstream import QUICK, make_sdist
from tests.integration.folder_index import folder_index
from tests.integration.git_host import git_host
from tests.integration.git_repository import Repository
from tests.integration.index_clients import Clients, install_clients
from tests.integration.prebuild_service import PrebuildService, make_wheel, open_prebuild_service

from wheelyard.domain.builds.build import Build
from wheelyard.domain.index.index import IndexEndpoint

PYTHON: Final = "3.11"
TARGET: Final = {"pythons": [PYTHON], "platforms": ["manylinux_2_36_x86_64"]}
PYPROJECT: Final = b"""[build-system]
requires = ["flit_core"]
build-backend = "flit_core.buildapi"

[project]
name = "gitlib"
version = "1.2"
description = "demo"
requires-python = ">=3.8"
dependencies = ["plain>=1"]
"""
APPLICATION: Final = """[project]
name = "application"
version = "1.0"
requires-python = ">=3.11,<3.12"
dependencies = ["gitlib @ git+{url}@v1.2", "other @ {file}"]

[tool.poetry]
package-mode = false

[[tool.poetry.source]]
name = "theirs"
url = "{index}"
priority = "primary"
"""


@dataclass(frozen=True, kw_only=True)
class Locked:
    """An application that was locked with each tool, and a service that has all it needs; nothing else is reachable."""

    service: PrebuildService
    commit: str
    folder: Path
    """The locks that the tools wrote."""

    @property
    def version(self) -> str:
        return f"1.2.dev0+g{self.commit[:12]}"


def build(build: Build) -> tuple[str, bytes]:
    """Make what a builder would: a wheel of the version that was ordered, which says who made it."""
    project, version = build.order.project, build.order.version
    filename = f"{project}-{version}-1.{build.order.builder}-cp311-cp311-manylinux_2_17_x86_64.whl"
    needs = ["Requires-Dist: plain>=1"] if project == "gitlib" else []
    return filename, make_wheel(filename, {f"{project}.py": "MAKER = 'ours'\n"}, *needs)


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Clients:
    return install_clients(tmp_path_factory.mktemp("clients") / "venv", python=PYTHON)


async def succeed(clients: Clients, folder: Path, *command: str) -> None:
    settings = {"POETRY_VIRTUALENVS_IN_PROJECT": "true", "POETRY_CACHE_DIR": str(folder / "poetry-cache")}
    done = await clients.run(*command, cwd=folder, env=settings)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
async def locked(
    database_url: str, endpoint: IndexEndpoint, clients: Clients, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Locked]:
    served, folder = tmp_path_factory.mktemp("served"), tmp_path_factory.mktemp("application")
    commit = Repository(served, "gitlib.git").commit(
        {"pyproject.toml": PYPROJECT, "gitlib.py": b'"""Demo."""\n__version__ = "1.2"\n'}, tag="v1.2"
    )
    with folder_index(tmp_path_factory.mktemp("upstream")) as upstream, git_host(served) as host:
        for project in ("plain", "other"):
            upstream.add(project, f"{project}-1.0.tar.gz", make_sdist(project, QUICK))
        url = f"{host}/gitlib.git"
        file = f"{upstream.url}other/other-1.0.tar.gz"
        digest = hashlib.sha256(make_sdist("other", QUICK)).hexdigest()
        (folder / "pyproject.toml").write_text(APPLICATION.format(url=url, index=upstream.url, file=file))
        (folder / "open.txt").write_text(f"gitlib @ git+{url}@v1.2\nother @ {file}#sha256={digest}\n")
        index = ("--default-index", upstream.url, "--python", PYTHON, "--quiet")
        await succeed(clients, folder, "uv", "lock", *index)
        compile_ = ("uv", "pip", "compile", *index, "pyproject.toml")
        await succeed(clients, folder, *compile_, "--format", "pylock.toml", "--output-file", "pylock.toml")
        await succeed(clients, folder, *compile_, "--generate-hashes", "--output-file", "hashed.txt")
        await succeed(clients, folder, "poetry", "lock", "--no-interaction")
        state = tmp_path_factory.mktemp("prebuilds")
        async with open_prebuild_service(
            database_url, endpoint, state, upstream=upstream.url, make=build, git_hosts=(host,)
        ) as service:
            first = await prebuild(service, folder, "open.txt")
            assert [one["project"] for one in first["builds"]] == ["gitlib", "other", "plain"]
            for name in ("hashed.txt", "uv.lock", "pylock.toml", "poetry.lock"):
                assert (await prebuild(service, folder, name))["builds"] == [], name
            for name in ("open.txt", "hashed.txt", "uv.lock", "pylock.toml", "poetry.lock"):
                text = (folder / name).read_text()
                # What the application declares stays in a uv.lock; nothing is installed by it.
                declared = ('    { name = "gitlib", git', '    { name = "other", url')
                text = "\n".join(line for line in text.splitlines() if not line.startswith(declared))
                assert "git" not in text.replace("gitlib", ""), (name, text)
                assert ".tar.gz" not in text, (name, text)
            (served / "gitlib.git").rename(served / "gone")
            (upstream.folder / "simple").rename(upstream.folder / "gone")
            yield Locked(service=service, commit=commit, folder=folder)


async def prebuild(service: PrebuildService, folder: Path, name: str) -> dict[str, list[dict[str, str]]]:
    """Prebuild a file, and write over it what comes back."""
    files = {name: (folder / name).read_text()}
    if name in {"uv.lock", "poetry.lock"}:
        files["pyproject.toml"] = (folder / "pyproject.toml").read_text()
    given = {"file": name, "files": files}
    request = await service.prebuild(**given, **TARGET)
    assert request["is_installable"], request
    back = await service.ask("POST", f"{request['url']}/lock", json=given)
    (folder / name).write_text(back["text"])
    return request


def installed(folder: Path) -> dict[str, str]:
    """Return the versions in a folder."""
    names = (path.name.removesuffix(".dist-info").partition("-") for path in folder.rglob("*.dist-info"))
    return {name: version for name, _, version in names if name in {"gitlib", "other", "plain"}}


def expected(locked: Locked) -> dict[str, str]:
    return {"gitlib": locked.version, "other": "1.0", "plain": "1.0"}


@pytest.mark.parametrize("name", ["open.txt", "hashed.txt"])
async def test_pip_and_uv_install_requirements_by_hash_from_our_index_only(
    locked: Locked, clients: Clients, tmp_path: Path, name: str
) -> None:
    text = (locked.folder / name).read_text()
    assert f"gitlib=={locked.version} \\\n    --hash=sha256:" in text
    (tmp_path / name).write_text(text)
    pip = ("pip", "install", "--no-cache-dir", "--require-hashes", "--report", "report.json", "--target", "pip")
    await succeed(clients, tmp_path, *pip, "-r", name)
    report = json.loads((tmp_path / "report.json").read_text())["install"]
    assert {one["download_info"]["url"].startswith(locked.service.url) for one in report} == {True}
    uv = ("uv", "pip", "install", "--no-cache", "--require-hashes", "--python", PYTHON, "--target", "uv", "-r", name)
    await succeed(clients, tmp_path, *uv)
    assert installed(tmp_path / "pip") == installed(tmp_path / "uv") == expected(locked)


async def test_uv_syncs_a_uv_lock_and_a_pylock(locked: Locked, clients: Clients, tmp_path: Path) -> None:
    for name in ("pyproject.toml", "uv.lock", "pylock.toml"):
        (tmp_path / name).write_bytes((locked.folder / name).read_bytes())
    sync = ("uv", "sync", "--frozen", "--no-cache", "--no-install-project", "--python", PYTHON)
    await succeed(clients, tmp_path, *sync)
    await succeed(clients, tmp_path, "uv", "venv", "--quiet", "pylocked", "--python", PYTHON)
    await succeed(clients, tmp_path, "uv", "pip", "sync", "pylock.toml", "--no-cache", "--python", "pylocked")
    assert installed(tmp_path / ".venv") == installed(tmp_path / "pylocked") == expected(locked)


async def test_poetry_syncs_its_lock(locked: Locked, clients: Clients, tmp_path: Path) -> None:
    for name in ("pyproject.toml", "poetry.lock"):
        (tmp_path / name).write_bytes((locked.folder / name).read_bytes())
    await succeed(clients, tmp_path, "poetry", "check", "--lock")
    await succeed(clients, tmp_path, "poetry", "sync", "--no-interaction")
    assert installed(tmp_path / ".venv") == expected(locked)
