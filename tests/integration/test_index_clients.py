"""pip, uv, poetry and twine against our index, each as its users run it."""

import asyncio
import tomllib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from tests.integration.index_clients import Clients, install_clients
from tests.integration.index_service import IndexService, open_index_service

from wheelyard.domain.index.index import IndexEndpoint

PROJECT = """
[project]
name = "consumer"
version = "0"
requires-python = ">=3.11"
dependencies = ["poet-thing"]

[tool.poetry]
package-mode = false

[[tool.poetry.source]]
name = "ours"
url = "{url}/simple/"
priority = "primary"
"""


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Clients:
    return install_clients(tmp_path_factory.mktemp("clients") / "venv")


@pytest.fixture(scope="module")
async def service(
    database_url: str, endpoint: IndexEndpoint, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[IndexService]:
    async with open_index_service(database_url, endpoint, tmp_path_factory.mktemp("index")) as running:
        yield running


def url_with_token(service: IndexService, path: str = "/simple/") -> str:
    return f"{service.url.replace('://', f'://__token__:{service.token}@')}{path}"


async def yank(service: IndexService, filename: str, reason: str) -> None:
    headers = {"Authorization": f"Bearer {service.token}"}
    async with httpx.AsyncClient(headers=headers, trust_env=False) as http:
        answer = await http.post(f"{service.url}/v1/wheels/{filename}/yank", json={"reason": reason})
    assert answer.is_success, answer.text


def installed(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*.dist-info")}


async def test_pip_installs_what_is_not_yanked(service: IndexService, clients: Clients, tmp_path: Path) -> None:
    await service.publish("pip_base")
    await service.publish("pip_thing", "1.0", requires=["pip-base"])
    newer = await service.publish("pip_thing", "2.0", requires=["pip-base"])
    await yank(service, newer.filename, "it is <broken>")
    command = ("pip", "install", "--no-cache-dir", "--only-binary", ":all:", "--index-url", url_with_token(service))

    free = await clients.run(*command, "--target", "free", "Pip.Thing", cwd=tmp_path)
    exact = await clients.run(*command, "--target", "exact", "pip-thing==2.0", cwd=tmp_path)

    assert free.returncode == 0, free.stdout + free.stderr
    assert installed(tmp_path / "free") == {"pip_thing-1.0.dist-info", "pip_base-1.0.dist-info"}
    assert exact.returncode == 0, exact.stdout + exact.stderr
    assert installed(tmp_path / "exact") == {"pip_thing-2.0.dist-info", "pip_base-1.0.dist-info"}
    assert "it is <broken>" in exact.stdout + exact.stderr


async def test_uv_without_a_token_is_told_so(service: IndexService, clients: Clients, tmp_path: Path) -> None:
    await service.publish("closed_thing")
    address = ("--default-index", f"{service.url}/simple/")
    command = ("uv", "pip", "install", "--no-cache", *address, "--target", "closed", "closed-thing")
    refused = await clients.run(*command, cwd=tmp_path)
    assert refused.returncode != 0
    assert "401 Unauthorized" in refused.stderr


async def test_uv_leaves_out_what_is_newer_than_it_may_be(
    service: IndexService, clients: Clients, tmp_path: Path
) -> None:
    await service.publish("uv_thing", "1.0")
    between = datetime.now(UTC)
    await asyncio.sleep(0.01)
    await service.publish("uv_thing", "2.0")
    command = ("uv", "pip", "install", "--no-cache", "--default-index", url_with_token(service), "uv-thing")

    free = await clients.run(*command, "--target", "free", cwd=tmp_path)
    older = await clients.run(*command, "--target", "older", "--exclude-newer", between.isoformat(), cwd=tmp_path)

    assert (free.returncode, installed(tmp_path / "free")) == (0, {"uv_thing-2.0.dist-info"}), free.stderr
    assert (older.returncode, installed(tmp_path / "older")) == (0, {"uv_thing-1.0.dist-info"}), older.stderr


async def test_poetry_locks_and_installs(service: IndexService, clients: Clients, tmp_path: Path) -> None:
    await service.publish("poet_base")
    wheel = await service.publish("poet_thing", requires=["poet-base>=1"])
    (tmp_path / "pyproject.toml").write_text(PROJECT.format(url=service.url))
    credentials = {"POETRY_HTTP_BASIC_OURS_USERNAME": "__token__", "POETRY_HTTP_BASIC_OURS_PASSWORD": service.token}
    environment = {**credentials, "POETRY_VIRTUALENVS_IN_PROJECT": "true"}

    done = await clients.run("poetry", "install", "--no-interaction", cwd=tmp_path, env=environment)

    assert done.returncode == 0, done.stdout + done.stderr
    assert {"poet_thing-1.0.dist-info", "poet_base-1.0.dist-info"} <= installed(tmp_path / ".venv")
    locked = {package["name"]: package for package in tomllib.loads((tmp_path / "poetry.lock").read_text())["package"]}
    assert locked["poet-thing"]["files"] == [{"file": wheel.filename, "hash": f"sha256:{wheel.sha256}"}]
    assert locked["poet-thing"]["dependencies"] == {"poet-base": ">=1"}


async def test_twine_finds_no_fault_and_may_not_upload(service: IndexService, clients: Clients, tmp_path: Path) -> None:
    wheel = await service.publish("twine_thing")
    path = str(service.folder / wheel.filename)
    address = ("--repository-url", f"{service.url}/simple/", "-u", "__token__", "-p", service.token)

    checked = await clients.run("twine", "check", path, cwd=tmp_path)
    refused = await clients.run("twine", "upload", "--verbose", "--non-interactive", *address, path, cwd=tmp_path)

    assert (checked.returncode, "PASSED" in checked.stdout) == (0, True), checked.stdout
    assert refused.returncode != 0
    assert "ends in /legacy/" in " ".join(f"{refused.stdout} {refused.stderr}".split())
