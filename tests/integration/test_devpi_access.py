"""Who may do what on the embedded devpi: publishing is the service's alone, and nobody gets further than that."""

import asyncio
import json
import socket
import tempfile
import zipfile
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from wheelyard.adapters.devpi.publish import DevpiIndex
from wheelyard.adapters.servers.devpi import EmbeddedDevpi
from wheelyard.domain.index.index import Credentials, IndexEndpoint

LOCK_FILE = Path(__file__).parents[2] / "devpi.lock"
REFUSED = {401, 403}


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[tuple[EmbeddedDevpi, IndexEndpoint]]:
    with tempfile.TemporaryDirectory(prefix="wheelyard-test-", dir="/tmp") as folder:
        devpi = EmbeddedDevpi(Path(folder) / "state", lock_file=LOCK_FILE)
        async with devpi as endpoint:
            for url, user in ((endpoint.staging_url, endpoint.publisher), (endpoint.prod_url, endpoint.promoter)):
                path = make_wheel(Path(folder))
                async with DevpiIndex(url, credentials=user) as index:
                    await index.publish(path, sha256=sha256(path.read_bytes()).hexdigest())
            yield devpi, endpoint


@pytest.fixture
def endpoint(server: tuple[EmbeddedDevpi, IndexEndpoint]) -> IndexEndpoint:
    return server[1]


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as client:
        yield client


def make_wheel(folder: Path, version: str = "1") -> Path:
    path = folder / f"kept_thing-{version}-1wy-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        metadata = f"Metadata-Version: 2.1\nName: kept-thing\nVersion: {version}\n"
        archive.writestr(f"kept_thing-{version}.dist-info/METADATA", metadata)
    return path


def basic(user: Credentials) -> httpx.BasicAuth:
    return httpx.BasicAuth(user.user, user.password)


async def upload(client: httpx.AsyncClient, url: str, wheel: Path, auth: httpx.Auth) -> int:
    form = {":action": "file_upload", "name": "kept-thing", "version": "9", "filetype": "bdist_wheel"}
    files = {"content": (wheel.name, await asyncio.to_thread(wheel.read_bytes))}
    return (await client.post(f"{url}/", data=form, files=files, auth=auth)).status_code


async def listed(client: httpx.AsyncClient, url: str) -> list[str]:
    accept = {"Accept": "application/vnd.pypi.simple.v1+json"}
    page = (await client.get(f"{url}/+simple/kept-thing/", headers=accept)).raise_for_status().json()
    return [file["filename"] for file in page["files"]]


async def test_only_the_service_uploads_and_only_where_it_may(
    endpoint: IndexEndpoint, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    wheel = make_wheel(tmp_path, "9")
    wrong = httpx.BasicAuth(endpoint.promoter.user, "wrong")
    root_without_password = httpx.BasicAuth("root", "")
    for url, other in ((endpoint.prod_url, endpoint.publisher), (endpoint.staging_url, endpoint.promoter)):
        for auth in (httpx.Auth(), wrong, root_without_password, basic(other)):
            assert await upload(client, url, wheel, auth) in REFUSED
        assert await listed(client, url) == ["kept_thing-1-1wy-py3-none-any.whl"]


async def test_publisher_cannot_push_from_staging_to_prod(endpoint: IndexEndpoint, client: httpx.AsyncClient) -> None:
    for auth in (httpx.Auth(), basic(endpoint.publisher)):
        wanted = {"name": "kept-thing", "version": "1", "targetindex": "wheels/prod"}
        answer = await client.request("PUSH", endpoint.staging_url, json=wanted, auth=auth)
        assert answer.status_code in REFUSED
    before = await client.get(endpoint.prod_url, headers={"Accept": "application/json"})
    assert before.json()["result"]["projects"] == ["kept-thing"]


async def test_nobody_else_deletes_what_was_published_with_force_or_without(
    server: tuple[EmbeddedDevpi, IndexEndpoint], client: httpx.AsyncClient
) -> None:
    devpi, endpoint = server
    owner = Credentials(user="wheels", password=(await asyncio.to_thread(passwords_of, devpi))["wheels"])
    root_without_password = Credentials(user="root", password="")
    for url, other in ((endpoint.prod_url, endpoint.publisher), (endpoint.staging_url, endpoint.promoter)):
        auths = (httpx.Auth(), *map(basic, (other, owner, root_without_password)))
        for path in await deletable(client, url):
            for auth, query in ((auth, query) for auth in auths for query in ("", "?force")):
                answer = await client.delete(f"{path}{query}", auth=auth)
                assert answer.status_code in REFUSED, (path, query, answer.text)
        assert await listed(client, url) == ["kept_thing-1-1wy-py3-none-any.whl"]


async def test_user_of_an_index_deletes_from_it_with_force_only_and_never_the_index(
    endpoint: IndexEndpoint, client: httpx.AsyncClient
) -> None:
    # devpi lets whoever may upload delete as well, if they insist: docs/security.md says so, and we need it.
    for url, user in ((endpoint.prod_url, endpoint.promoter), (endpoint.staging_url, endpoint.publisher)):
        for path in await deletable(client, url):
            assert (await client.delete(path, auth=basic(user))).status_code in REFUSED
        assert (await client.delete(f"{url}?force", auth=basic(user))).status_code in REFUSED
        assert await listed(client, url) == ["kept_thing-1-1wy-py3-none-any.whl"]


async def test_only_the_user_of_an_index_deletes_a_file_of_it(
    endpoint: IndexEndpoint, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    wheel = make_wheel(tmp_path, "7")
    async with DevpiIndex(endpoint.prod_url, credentials=endpoint.promoter) as index:
        url = (await index.publish(wheel, sha256=sha256(wheel.read_bytes()).hexdigest())).url
    assert (await client.delete(f"{url}?force", auth=basic(endpoint.publisher))).status_code in REFUSED
    assert wheel.name in await listed(client, endpoint.prod_url)
    assert (await client.delete(f"{url}?force", auth=basic(endpoint.promoter))).is_success
    assert wheel.name not in await listed(client, endpoint.prod_url)


async def deletable(client: httpx.AsyncClient, url: str) -> list[str]:
    """Give the address of a file, its release, its project and the index."""
    accept = {"Accept": "application/vnd.pypi.simple.v1+json"}
    page = (await client.get(f"{url}/+simple/kept-thing/", headers=accept)).raise_for_status().json()
    file = httpx.URL(f"{url}/+simple/kept-thing/").join(page["files"][0]["url"])
    return [str(file).partition("#")[0], f"{url}/kept-thing/1", f"{url}/kept-thing", url]


def passwords_of(devpi: EmbeddedDevpi) -> dict[str, str]:
    return dict(json.loads((devpi._home / "passwords.json").read_text()))


@pytest.mark.parametrize("password", ["", "root", "devpi", "testuser"])
async def test_root_has_no_password_that_could_be_guessed(
    endpoint: IndexEndpoint, client: httpx.AsyncClient, password: str
) -> None:
    answer = await client.post(f"{endpoint.url}/+login", json={"user": "root", "password": password})
    assert answer.status_code in {400, *REFUSED}
    assert "result" not in answer.json()


async def test_every_password_is_long_and_of_its_own(server: tuple[EmbeddedDevpi, IndexEndpoint]) -> None:
    devpi, _ = server
    passwords = list((await asyncio.to_thread(passwords_of, devpi)).values())
    assert len(set(passwords)) == len(passwords) == 4
    assert all(len(password) >= 40 for password in passwords)


async def test_nobody_registers_and_no_user_changes_another(endpoint: IndexEndpoint, client: httpx.AsyncClient) -> None:
    callers = {"promoter": (httpx.Auth(), basic(endpoint.publisher)), "publisher": (basic(endpoint.promoter),)}
    for victim, auth in ((victim, auth) for victim, auths in callers.items() for auth in auths):
        answers = [
            await client.put(f"{endpoint.url}/stranger", json={"password": "x"}, auth=auth),
            await client.patch(f"{endpoint.url}/{victim}", json={"password": "x"}, auth=auth),
            await client.patch(f"{endpoint.url}/root", json={"password": "x"}, auth=auth),
            await client.patch(endpoint.prod_url, json={"acl_upload": [":ANONYMOUS:"]}, auth=auth),
        ]
        assert {answer.status_code for answer in answers} <= REFUSED, [answer.text for answer in answers]
    users = (await client.get(f"{endpoint.url}/", headers={"Accept": "application/json"})).json()["result"]
    assert sorted(users) == ["promoter", "publisher", "root", "wheels"]


def test_server_listens_on_the_loopback_only(endpoint: IndexEndpoint) -> None:
    port = urlsplit(endpoint.url).port
    assert urlsplit(endpoint.url).hostname == "127.0.0.1"
    # Every address of 127/8 is the loopback's, but only one of them was bound; 0.0.0.0 would answer on this one too.
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.2", port or 0), timeout=5):
        pass
