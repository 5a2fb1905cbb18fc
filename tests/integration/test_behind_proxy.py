"""The index behind nginx and the configuration that is shipped: the API decides, nginx sends."""

import asyncio
import hashlib
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from tests.acceptance.processes import free_port, wait_for
from tests.integration.index_clients import Clients, install_clients
from tests.integration.index_service import IndexService, open_index_service

from wheelyard.adapters.host.state_dir import StateDir
from wheelyard.domain.index.index import FileSender, IndexEndpoint

_ROOT = Path(__file__).parents[2]


def program() -> str:
    """Find nginx: installed, or where the set-up has unpacked it."""
    unpacked = _ROOT / ".venv" / "nginx" / "usr" / "sbin"
    found = shutil.which("nginx") or shutil.which("nginx", path=f"/usr/sbin:{unpacked}")
    assert found is not None, "nginx is missing: tools/setup.py --with-nginx"
    return found


@contextmanager
def nginx(api: str, folder: Path, work: Path) -> Iterator[str]:
    """Run nginx before an API whose state directory this is; yield its URL."""
    port, shipped = free_port(), (_ROOT / "packaging" / "nginx" / "wheelyard.conf").read_text()
    for old, new in (
        ("127.0.0.1:8123", api.removeprefix("http://")),
        ("listen 80;", f"listen 127.0.0.1:{port};"),
        ("/var/lib/wheelyard/", f"{folder}/"),
    ):
        assert old in shipped
        shipped = shipped.replace(old, new)
    folders = "".join(
        f"{name}_temp_path {work}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (work / "nginx.conf").write_text(
        f"daemon off; pid {work}/pid; error_log {work}/error.log; worker_processes 1;\n"
        f"events {{}}\nhttp {{ access_log {work}/access.log; {folders}\n{shipped} }}\n"
    )
    arguments = ("-p", str(work), "-e", f"{work}/error.log", "-c", str(work / "nginx.conf"))
    with subprocess.Popen([program(), *arguments], stderr=subprocess.DEVNULL) as process:
        try:
            wait_for("nginx", lambda: _listens(port), seconds=60)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _listens(port: int) -> bool:
    # Not a request: the API answers in the thread that waits here.
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
async def service(database_url: str, endpoint: IndexEndpoint) -> AsyncIterator[IndexService]:
    # nginx' workers are nobody. pytest closes the folder above its own ones to others whenever a session starts.
    with tempfile.TemporaryDirectory(prefix="wheelyard-proxied-", dir="/tmp") as name:
        folder = Path(name)
        await asyncio.to_thread(folder.chmod, 0o711)
        async with open_index_service(database_url, endpoint, folder, sender=FileSender.NGINX) as running:
            yield running


@pytest.fixture(scope="module")
def url(service: IndexService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with nginx(service.url, service.folder, tmp_path_factory.mktemp("nginx")) as found:
        yield found


@pytest.fixture
async def http(service: IndexService, url: str) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {service.token}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as client:
        yield client


async def test_nginx_sends_what_the_api_allows(service: IndexService, http: httpx.AsyncClient) -> None:
    wheel = await service.publish("proxied_thing", body=f"# {'x' * 200_000}\n")
    path = f"/files/{wheel.filename}"
    first, second = await http.get(path), await http.get(path)
    for answer in (first, second):
        assert hashlib.sha256(answer.content).hexdigest() == wheel.sha256
        assert answer.headers["ETag"] == f'"{wheel.sha256}"'
        assert "immutable" in answer.headers["Cache-Control"]
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert not {"Last-Modified", "X-Accel-Redirect"} & set(answer.headers)
    content, etag = first.content, first.headers["ETag"]
    part = await http.get(path, headers={"Range": "bytes=10-19", "If-Range": etag})
    assert (part.status_code, part.content) == (206, content[10:20])
    several = await http.get(path, headers={"Range": "bytes=0-1,5-6"})
    assert (several.status_code, several.headers["Content-Type"].partition(";")[0]) == (206, "multipart/byteranges")
    other = await http.get(path, headers={"Range": "bytes=10-19", "If-Range": '"other"'})
    assert (other.status_code, other.content) == (200, content)
    greedy = await http.get(path, headers={"Range": "bytes=" + ",".join(["0-"] * 500)})
    assert (greedy.status_code, len(greedy.content)) == (200, len(content))
    assert (await http.get(path, headers={"Range": "bytes=9999999-"})).status_code == 416
    assert (await http.get(path, headers={"If-None-Match": etag})).status_code == 304
    head = await http.head(path)
    assert (head.headers["ETag"], head.headers["Content-Length"]) == (etag, str(wheel.size_bytes))
    metadata = await http.get(f"{path}.metadata")
    assert b"Name: proxied_thing" in metadata.content


async def test_copy_that_is_gone_or_may_not_be_had_is_not_sent(
    service: IndexService, http: httpx.AsyncClient, url: str
) -> None:
    wheel = await service.publish("guarded_thing", body=f"# {'x' * 200_000}\n")
    path = f"/files/{wheel.filename}"
    inside = f"/wheelyard-copies/{wheel.sha256[:2]}/{wheel.sha256[2:]}/{wheel.filename}"
    await http.get(path)
    copy = StateDir(service.folder).wheel_cache / inside.removeprefix("/wheelyard-copies/")
    assert copy.exists()
    assert (await http.get(inside)).status_code == 404
    async with httpx.AsyncClient(base_url=url, trust_env=False) as stranger:
        assert (await stranger.get(path)).status_code == 401
        assert (await stranger.get(path, headers={"X-Wheelyard-Send": "bytes"})).status_code == 401
    copy.chmod(0o600)
    closed = await http.get(path)
    assert (closed.status_code, hashlib.sha256(closed.content).hexdigest()) == (200, wheel.sha256)
    copy.unlink()
    assert hashlib.sha256((await http.get(path)).content).hexdigest() == wheel.sha256
    assert copy.exists()
    assert (await http.request("DELETE", f"/v1/wheels/{wheel.filename}?confirm={wheel.filename}")).is_success
    assert (await http.get(path)).status_code == 404


async def test_pip_and_uv_install_through_it(
    service: IndexService, url: str, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    clients: Clients = install_clients(tmp_path_factory.mktemp("clients") / "venv")
    await service.publish("proxied_base", body=f"# {'x' * 200_000}\n")
    await service.publish("proxied_app", requires=["proxied-base"])
    address = f"{url.replace('://', f'://__token__:{service.token}@')}/simple/"
    for number, command in enumerate(
        (
            ("pip", "install", "--no-cache-dir", "--index-url", address),
            ("uv", "pip", "install", "--no-cache", "--default-index", address),
            ("pip", "install", "--no-cache-dir", "--index-url", address),
        )
    ):
        done = await clients.run(*command, "--target", f"into-{number}", "proxied-app", cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        found = {path.name for path in (tmp_path / f"into-{number}").glob("*.dist-info")}
        assert found == {"proxied_app-1.0.dist-info", "proxied_base-1.0.dist-info"}
