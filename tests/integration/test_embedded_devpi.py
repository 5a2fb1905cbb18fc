import asyncio
import contextlib
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from wheelyard.adapters.devpi.publish import DevpiIndex
from wheelyard.adapters.servers.devpi import EmbeddedDevpi
from wheelyard.adapters.servers.devpi_files import remembered_port
from wheelyard.adapters.servers.devpi_serving import DevpiServing
from wheelyard.adapters.servers.postgres import EmbeddedPostgres
from wheelyard.adapters.servers.postgres_files import find_account
from wheelyard.adapters.servers.processes import ProcessMark
from wheelyard.domain.index.index import IndexEndpoint
from wheelyard.errors import AlreadyRunningError, DiskFullError, ServiceStartError

ROOT = Path(__file__).parents[2]
LOCK_FILE = ROOT / "devpi.lock"

# Starts both servers as one Wheelyard does, publishes a wheel and waits to be killed; see test_embedded_postgres.
PARENT = """
import asyncio, dataclasses, json, sys
from pathlib import Path
from wheelyard.adapters.devpi.publish import DevpiIndex
from wheelyard.adapters.servers import devpi as embedded_devpi, postgres as embedded_postgres
from wheelyard.logs import configure_logs

configure_logs(log_format="text", level="info")
real_spawn = embedded_devpi.spawn
if sys.argv[2] == "orphan":
    for module in (embedded_devpi, embedded_postgres):
        module.spawn = lambda command, log: real_spawn(dataclasses.replace(command, death_signal=0), log=log)

async def main():
    state_dir, wheel, sha256 = Path(sys.argv[1]), Path(sys.argv[4]), sys.argv[5]
    postgres = embedded_postgres.EmbeddedPostgres(state_dir)
    devpi = embedded_devpi.EmbeddedDevpi(state_dir, lock_file=Path(sys.argv[3]))
    await postgres.start()
    endpoint = await devpi.start()
    async with DevpiIndex(endpoint.prod_url, credentials=endpoint.promoter) as index:
        await index.publish(wheel, sha256=sha256)
    print(json.dumps({"children": [postgres.pid, devpi.pid], "url": endpoint.url}), flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def state_dir() -> Iterator[Path]:
    """Give one state directory to all tests, as to one Wheelyard that is started again and again."""
    with tempfile.TemporaryDirectory(prefix="wheelyard-test-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder) / "state"


def devpi_on(state_dir: Path) -> EmbeddedDevpi:
    return EmbeddedDevpi(state_dir, lock_file=LOCK_FILE)


def make_wheel(folder: Path, *, version: str) -> tuple[Path, str]:
    path = folder / f"kept_thing-{version}-1wy-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        metadata = f"Metadata-Version: 2.1\nName: kept-thing\nVersion: {version}\n"
        archive.writestr(f"kept_thing-{version}.dist-info/METADATA", metadata)
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


async def get_json(url: str) -> dict[str, Any]:
    async with httpx.AsyncClient(trust_env=False) as client:
        response = await client.get(url, headers={"Accept": "application/json"})
    result: dict[str, Any] = response.raise_for_status().json()["result"]
    return result


async def test_fresh_server_has_two_closed_indexes_and_no_mirror(state_dir: Path) -> None:
    async with devpi_on(state_dir) as endpoint:
        users = await get_json(f"{endpoint.url}/")
        assert {user: list(users[user]["indexes"]) for user in users} == {
            "root": [],
            "wheels": ["staging", "prod"],
            "publisher": [],
            "promoter": [],
        }
        prod, staging = await get_json(endpoint.prod_url), await get_json(endpoint.staging_url)
    assert (staging["acl_upload"], prod["acl_upload"]) == (["publisher"], ["promoter"])
    for index in (staging, prod):
        assert (index["bases"], index["volatile"], index["acl_toxresult_upload"]) == ([], False, [])


async def test_address_and_users_stay_the_same(state_dir: Path, tmp_path: Path) -> None:
    wheel, sha256 = make_wheel(tmp_path, version="1")
    devpi = devpi_on(state_dir)
    first = await devpi.start()
    await devpi.stop()
    assert devpi.pid is None
    async with devpi as second, DevpiIndex(second.prod_url, credentials=first.promoter) as index:
        assert second == first
        await index.publish(wheel, sha256=sha256)
    await devpi.stop()


async def test_taken_port_is_given_up(state_dir: Path) -> None:
    devpi = devpi_on(state_dir)
    first = httpx.URL((await devpi.start()).url)
    await devpi.stop()
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind((str(first.host), first.port or 0))
        squatter.listen()
        assert remembered_port(state_dir / "devpi" / "port") == 0
        async with devpi as endpoint:
            assert httpx.URL(endpoint.url).port != first.port


async def test_damage_to_an_index_is_mended(state_dir: Path) -> None:
    devpi = devpi_on(state_dir)
    async with devpi as endpoint, httpx.AsyncClient(trust_env=False) as client:
        root = ("root", json.loads((state_dir / "devpi" / "passwords.json").read_text())["root"])
        opened = {"volatile": True, "acl_upload": [":ANONYMOUS:"]}
        current = await get_json(endpoint.prod_url)
        changed = await client.patch(endpoint.prod_url, json=current | opened, auth=root)
        assert changed.is_success
        deleted = await client.delete(f"{endpoint.url}/publisher", auth=root)
        assert deleted.is_success
    async with devpi as endpoint:
        prod, users = await get_json(endpoint.prod_url), await get_json(f"{endpoint.url}/")
    assert (prod["volatile"], prod["acl_upload"]) == (False, ["promoter"])
    assert "publisher" in users


async def test_strangers_cannot_make_users_or_indexes(state_dir: Path) -> None:
    async with devpi_on(state_dir) as endpoint, httpx.AsyncClient(trust_env=False) as client:
        promoter = httpx.BasicAuth(endpoint.promoter.user, endpoint.promoter.password)
        for auth in (httpx.Auth(), promoter):
            answers = [
                await client.put(f"{endpoint.url}/stranger", json={"password": "x"}, auth=auth),
                await client.put(f"{endpoint.url}/promoter/own", json={"type": "stage"}, auth=auth),
                await client.delete(endpoint.prod_url, auth=auth),
            ]
            assert {answer.status_code for answer in answers} <= {401, 403}


async def test_second_wheelyard_on_the_directory_is_refused(state_dir: Path) -> None:
    async with devpi_on(state_dir) as endpoint:
        with pytest.raises(AlreadyRunningError):
            await devpi_on(state_dir).start()
        assert await get_json(f"{endpoint.url}/")


async def test_secrets_are_ours_alone_and_on_no_command_line(state_dir: Path) -> None:
    devpi = devpi_on(state_dir)
    async with devpi:
        command = await asyncio.to_thread(Path(f"/proc/{devpi.pid}/cmdline").read_text)
    home = state_dir / "devpi"
    assert home.stat().st_mode & 0o777 == 0o700
    for password in json.loads((home / "passwords.json").read_text()).values():
        assert password not in command
        assert password not in (state_dir / "logs" / "devpi.log").read_text()
    assert {(home / name).stat().st_mode & 0o777 for name in ("secret", "passwords.json")} == {0o600}


async def test_environment_does_not_lead_astray(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    astray = {"DEVPISERVER_PORT": "1", "HTTP_PROXY": "http://127.0.0.1:9", "ALL_PROXY": "http://127.0.0.1:9"}
    for name, value in astray.items():
        monkeypatch.setenv(name, value)
    async with devpi_on(state_dir) as endpoint, DevpiIndex(endpoint.prod_url, credentials=endpoint.promoter) as index:
        await index.ping()


async def test_broken_environment_is_made_anew(state_dir: Path) -> None:
    (python,) = await asyncio.to_thread(lambda: list(state_dir.glob("devpi-env-*/bin/python")))
    python.unlink()
    async with devpi_on(state_dir):
        pass


async def test_full_disk_is_said_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(DiskFullError):
        await EmbeddedDevpi(tmp_path / "state", lock_file=LOCK_FILE, disk_floor_bytes=1 << 60).start()
    assert not (tmp_path / "state" / "devpi").exists()


async def test_environment_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    lock_file = tmp_path / "broken.lock"
    lock_file.write_text("devpi-server==6.20.3 --hash=nonsense\n")
    with pytest.raises(ServiceStartError, match="virtual environment") as caught:
        await EmbeddedDevpi(tmp_path / "state", lock_file=lock_file).start()
    assert caught.value.log == tmp_path / "state" / "logs" / "devpi.log"
    assert not list((tmp_path / "state").glob("devpi-env-*/complete"))


def start_parent(state_dir: Path, mode: str, wheel: Path, sha256: str) -> tuple[list[ProcessMark], str]:
    """Start a Wheelyard of both servers, kill it with no warning, and give its children and its address."""
    command = [sys.executable, "-c", PARENT, str(state_dir), mode, str(LOCK_FILE), str(wheel), sha256]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "service")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout is not None
        said = json.loads(parent.stdout.readline())
        marks = [mark for mark in map(ProcessMark.of, said["children"]) if mark]
        assert len(marks) == 2
        parent.kill()
    return marks, said["url"]


def wait_until_gone(processes: Sequence[ProcessMark]) -> None:
    deadline = time.monotonic() + 30
    while any(process.is_alive() for process in processes):
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextlib.asynccontextmanager
async def both(state_dir: Path) -> AsyncIterator[IndexEndpoint]:
    async with EmbeddedPostgres(state_dir), devpi_on(state_dir) as endpoint:
        yield endpoint


@pytest.mark.parametrize("mode", ["with its children", "orphan"])
async def test_killed_wheelyard_leaves_nothing_that_stops_the_next(state_dir: Path, tmp_path: Path, mode: str) -> None:
    version = "2" if mode == "orphan" else "3"
    wheel, sha256 = make_wheel(tmp_path, version=version)
    children, url = await asyncio.to_thread(start_parent, state_dir, mode, wheel, sha256)
    if mode == "orphan":
        assert all(child.is_alive() for child in children)
    else:
        await asyncio.to_thread(wait_until_gone, children)
    async with both(state_dir) as endpoint:
        assert not any(child.is_alive() for child in children)
        assert endpoint.url == url
        async with DevpiIndex(endpoint.prod_url, credentials=endpoint.promoter) as index:
            assert not (await index.publish(wheel, sha256=sha256)).uploaded


async def test_killed_server_keeps_what_it_acknowledged(state_dir: Path, tmp_path: Path) -> None:
    devpi = devpi_on(state_dir)
    wheels = [make_wheel(tmp_path, version=f"4.{number}") for number in range(10)]
    endpoint = await devpi.start()
    async with DevpiIndex(endpoint.prod_url, credentials=endpoint.promoter) as index:
        await asyncio.gather(*(index.publish(wheel, sha256=sha256) for wheel, sha256 in wheels))
    assert devpi.pid is not None
    os.kill(devpi.pid, signal.SIGKILL)
    await devpi.stop()
    async with devpi as endpoint, DevpiIndex(endpoint.prod_url, credentials=endpoint.promoter) as index:
        again = [await index.publish(wheel, sha256=sha256) for wheel, sha256 in wheels]
    assert not any(published.uploaded for published in again)


async def test_password_that_others_log_in_with_can_be_renewed(state_dir: Path) -> None:
    for password in ("one", "two"):
        serving = DevpiServing(passwords={"promoter": f"{password}-{'x' * 20}"})
        async with EmbeddedDevpi(state_dir, lock_file=LOCK_FILE, serving=serving) as endpoint:
            assert endpoint.promoter.password.startswith(password)
            async with httpx.AsyncClient(trust_env=False) as client:
                body = {"user": "promoter", "password": endpoint.promoter.password}
                assert (await client.post(f"{endpoint.url}/+login", json=body)).is_success


async def test_root_does_not_run_it_as_root(state_dir: Path) -> None:
    devpi = devpi_on(state_dir)

    async with devpi as endpoint:
        uid = (await asyncio.to_thread(Path(f"/proc/{devpi.pid}").stat)).st_uid
        assert endpoint.url

    account = find_account()
    assert uid == (account.uid if account else os.geteuid())
    assert uid != 0


async def test_what_root_ran_as_root_is_given_to_the_system_user_but_its_secrets_stay_closed(state_dir: Path) -> None:
    async with devpi_on(state_dir):
        pass
    home = state_dir / "devpi"
    if (account := find_account()) is not None:
        for path in (home, *home.rglob("*")):
            await asyncio.to_thread(os.chown, path, 0, 0, follow_symlinks=False)

    async with devpi_on(state_dir):
        pass

    owner = account.uid if account else os.geteuid()
    assert {path.lstat().st_uid for path in (home / "data").rglob("*")} == {owner}
    secrets = {name: (home / name).stat() for name in ("secret", "passwords.json")}
    assert {name: found.st_mode & 0o777 for name, found in secrets.items()} == {
        "secret": 0o600,
        "passwords.json": 0o600,
    }
    assert secrets["passwords.json"].st_uid == os.geteuid()
    assert home.stat().st_mode & 0o777 == 0o700
