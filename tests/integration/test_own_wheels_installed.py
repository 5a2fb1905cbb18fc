"""Whose wheel an installer gets, and where from: pip, uv and Poetry, each as its users run it."""

import hashlib
import json
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
from tests.acceptance.upstream import QUICK, make_sdist
from tests.integration.folder_index import FolderIndex, folder_index
from tests.integration.index_clients import Clients, install_clients
from tests.integration.prebuild_service import PrebuildService, make_wheel, open_prebuild_service

from wheelyard.domain.builds.build import Build
from wheelyard.domain.index.index import IndexEndpoint

PYTHON: Final = "3.11"
TAG: Final = "cp311-cp311"
TARGET: Final = {"pythons": [PYTHON], "platforms": ["manylinux_2_36_x86_64"]}
PROJECT: Final = """
[project]
name = "application"
version = "1.0"
requires-python = ">=3.11,<3.12"
dependencies = [{needs}]

[tool.poetry]
package-mode = false

{source}
"""


def build(build: Build) -> tuple[str, bytes]:
    """Make what a builder would: a wheel for an old glibc, which says whose it is."""
    project = build.order.project
    filename = f"{project}-1.0-1.{build.order.builder}-{TAG}-manylinux_2_17_x86_64.whl"
    return filename, make_wheel(filename, {f"{project}.py": "MAKER = 'ours'\n"})


def offer(upstream: FolderIndex, project: str, *, wheel: bool = True, sdist: bool = True) -> None:
    """Put a project up whose wheel ranks above ours."""
    if wheel:
        filename = f"{project}-1.0-{TAG}-manylinux_2_28_x86_64.whl"
        upstream.add(project, filename, make_wheel(filename, {f"{project}.py": "MAKER = 'upstream'\n"}))
    if sdist:
        upstream.add(project, f"{project}-1.0.tar.gz", make_sdist(project, QUICK))


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Clients:
    return install_clients(tmp_path_factory.mktemp("clients") / "venv", python=PYTHON)


@pytest.fixture(scope="module")
async def running(
    database_url: str, endpoint: IndexEndpoint, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[PrebuildService, FolderIndex]]:
    folder = tmp_path_factory.mktemp("upstream")
    with folder_index(folder) as upstream:
        state = tmp_path_factory.mktemp("prebuilds")
        async with open_prebuild_service(database_url, endpoint, state, upstream=upstream.url, make=build) as service:
            yield service, upstream


def maker(folder: Path, project: str) -> str:
    """Tell whose wheel was installed."""
    (module,) = folder.rglob(f"{project}.py")
    return module.read_text().split("'")[1]


@pytest.mark.parametrize("order", [("upstream", "own"), ("own", "upstream")], ids=["upstream-first", "own-first"])
async def test_our_own_wheel_is_installed_whatever_was_prebuilt_first(
    running: tuple[PrebuildService, FolderIndex], clients: Clients, tmp_path: Path, order: tuple[str, str]
) -> None:
    service, upstream = running
    project = f"chosen{order[0]}"
    offer(upstream, project)
    for prefer in order:
        done = await service.prebuild(requirements=[project], prefer=prefer, **TARGET)
        assert done["is_installable"], done
    (ours,) = (digest for name, digest in service.built.items() if name.startswith(f"{project}-"))

    pip = ("pip", "install", "--no-cache-dir", "--only-binary", ":all:", "--index-url", service.simple_url)
    report = tmp_path / "report.json"
    said = await clients.run(*pip, "--target", "pip", "--report", str(report), project, cwd=tmp_path)
    assert said.returncode == 0, said.stderr
    (installed,) = json.loads(report.read_text())["install"]
    assert installed["download_info"]["archive_info"]["hashes"] == {"sha256": ours}

    uv = ("uv", "pip", "install", "--no-cache", "--default-index", service.simple_url, "--python", PYTHON)
    said = await clients.run(*uv, "--target", "uv", project, cwd=tmp_path)
    assert said.returncode == 0, said.stderr

    source = f'[[tool.poetry.source]]\nname = "yard"\nurl = "{service.simple_url}"\npriority = "primary"\n'
    write_project(tmp_path, project, source=source)
    await succeed(clients, tmp_path, "poetry", "install", "--no-interaction")
    (locked,) = tomllib.loads((tmp_path / "poetry.lock").read_text())["package"]
    assert [file["hash"] for file in locked["files"]] == [f"sha256:{ours}"]
    assert {maker(tmp_path / place, project) for place in ("pip", "uv", ".venv")} == {"ours"}


async def test_uv_finds_mirrored_projects_behind_our_own(
    running: tuple[PrebuildService, FolderIndex], clients: Clients, tmp_path: Path
) -> None:
    """The indexes as docs/browse.md has them: our own first, then everything."""
    service, upstream = running
    offer(upstream, "ownfirst", wheel=False)
    offer(upstream, "theirs", sdist=False)
    assert (await service.prebuild(requirements=["ownfirst", "theirs"], **TARGET))["is_installable"]
    indexes = ("--index", f"{service.url}/own/simple/", "--default-index", service.simple_url)
    uv = ("uv", "pip", "install", "--no-cache", *indexes, "--python", PYTHON, "--target", "both", "ownfirst", "theirs")
    await succeed(clients, tmp_path, *uv)
    assert (maker(tmp_path / "both", "ownfirst"), maker(tmp_path / "both", "theirs")) == ("ours", "upstream")
    pip = ("pip", "install", "--no-cache-dir", "--index-url", f"{service.url}/own/simple/", "--target", "own")
    refused = await clients.run(*pip, "theirs", cwd=tmp_path)
    assert "No matching distribution found for theirs" in refused.stderr


def write_project(folder: Path, *needs: str, source: str) -> None:
    """Write the application's pyproject.toml, for uv and Poetry."""
    names = ", ".join(f'"{name}==1.0"' for name in needs)
    (folder / "pyproject.toml").write_text(PROJECT.format(needs=names, source=source))


async def succeed(clients: Clients, folder: Path, *command: str) -> None:
    settings = {"POETRY_VIRTUALENVS_IN_PROJECT": "true", "POETRY_CACHE_DIR": str(folder / "poetry-cache")}
    done = await clients.run(*command, cwd=folder, env=settings)
    assert done.returncode == 0, done.stdout + done.stderr


async def lock_with_each_tool(clients: Clients, folder: Path, upstream: str) -> None:
    """Lock the application with uv and Poetry, as one that knows nothing of our index."""
    index = ("--default-index", upstream, "--python", PYTHON, "--quiet")
    await succeed(clients, folder, "uv", "lock", *index)
    compile_ = ("uv", "pip", "compile", *index, "pyproject.toml")
    await succeed(clients, folder, *compile_, "--format", "pylock.toml", "--output-file", "pylock.toml")
    await succeed(clients, folder, *compile_, "--generate-hashes", "--output-file", "requirements.txt")
    await succeed(clients, folder, "poetry", "lock", "--no-interaction")


LOCKS: Final = ("uv.lock", "pylock.toml", "requirements.txt", "poetry.lock")


async def locked_here(service: PrebuildService, folder: Path, prefer: str) -> list[dict[str, Any]]:
    """Prebuild each lock, and write over it what comes back."""
    done = []
    project = (folder / "pyproject.toml").read_text()
    for name in LOCKS:
        files = {name: (folder / name).read_text(), "pyproject.toml": project}
        given = {"file": name, "files": files if name in {"uv.lock", "poetry.lock"} else {name: files[name]}}
        request = await service.prebuild(**given, prefer=prefer, **TARGET)
        assert request["is_installable"], request
        back = await service.ask("POST", f"{request['url']}/lock", json=given)
        (folder / name).write_text(back["text"])
        done.append(request)
    return done


@pytest.mark.parametrize("prefer", ["own", "upstream"])
async def test_locks_install_what_the_service_serves_while_upstream_is_out_of_reach(
    running: tuple[PrebuildService, FolderIndex],
    clients: Clients,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    prefer: str,
) -> None:
    service, _ = running
    both, only = f"both{prefer}", f"only{prefer}"
    upstream_folder: Path = running[1].folder
    with folder_index(upstream_folder) as reachable:
        # The application's own address of upstream, which goes away once everything is locked.
        offer(reachable, both)
        offer(reachable, only, wheel=False)
        source = f'[[tool.poetry.source]]\nname = "theirs"\nurl = "{reachable.url}"\npriority = "primary"\n'
        write_project(tmp_path, both, only, source=source)
        await lock_with_each_tool(clients, tmp_path, reachable.url)
        gone = reachable.url.removesuffix("/simple/")
    requests = await locked_here(service, tmp_path, prefer)
    served = {item["project"]: (item["filename"], item["sha256"]) for item in requests[0]["items"]}
    for name in LOCKS:
        text = (tmp_path / name).read_text()
        assert gone not in text, name
        assert ".tar.gz" not in text, name
        for filename, digest in served.values():
            assert digest in text, name
            assert filename in text or name == "requirements.txt", name
    again = await locked_here(service, tmp_path, prefer)
    assert [one["builds"] for one in again] == [[]] * len(LOCKS), "what comes back can be handed over again"
    makers = {both: "ours" if prefer == "own" else "upstream", only: "ours"}

    await succeed(clients, tmp_path, "uv", "sync", "--frozen", "--no-cache", "--no-install-project", "--python", PYTHON)
    assert {project: maker(tmp_path / ".venv", project) for project in makers} == makers
    # uv itself finds nothing to change in it, once it is told where it installs from.
    await succeed(clients, tmp_path, "uv", "lock", "--check", "--default-index", service.simple_url, "--python", PYTHON)

    await succeed(clients, tmp_path, "uv", "venv", "--quiet", "pylocked", "--python", PYTHON)
    synced = ("uv", "pip", "sync", "pylock.toml", "--no-cache", "--python", "pylocked")
    await succeed(clients, tmp_path, *synced)
    assert {project: maker(tmp_path / "pylocked", project) for project in makers} == makers

    pip = ("pip", "install", "--no-cache-dir", "--require-hashes", "--report", "report.json", "--target", "pip")
    await succeed(clients, tmp_path, *pip, "-r", "requirements.txt")
    report = json.loads((tmp_path / "report.json").read_text())["install"]
    hashes = {one["metadata"]["name"]: one["download_info"]["archive_info"]["hashes"]["sha256"] for one in report}
    assert hashes == {project: digest for project, (_, digest) in served.items()}
    assert {project: maker(tmp_path / "pip", project) for project in makers} == makers

    poetry = tmp_path_factory.mktemp("poetry")
    for name in ("pyproject.toml", "poetry.lock"):
        (poetry / name).write_bytes((tmp_path / name).read_bytes())
    await succeed(clients, poetry, "poetry", "check", "--lock")
    await succeed(clients, poetry, "poetry", "sync", "--no-interaction")
    assert {project: maker(poetry / ".venv", project) for project in makers} == makers
    for filename, digest in served.values():
        page = service.folder / filename
        assert not page.exists() or hashlib.sha256(page.read_bytes()).hexdigest() == digest
