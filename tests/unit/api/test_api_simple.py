"""The index over HTTP: forms, caching, redirects, and who may read it."""

import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from tests.unit.api_harness import SECRET, ApiHarness, access_on, api_harness, assert_problem
from tests.unit.wheel_harness import WheelHarness

from wheelyard.api.services import IndexAccess
from wheelyard.assembly.service import make_app
from wheelyard.domain.index.index import Level
from wheelyard.domain.index.simple_format import Form
from wheelyard.usecases.tokens import PREFIX

WHEEL = "demo-1.0-1-py3-none-any.whl"
TOKEN = f"{PREFIX}{SECRET}"


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[ApiHarness]:
    async with api_harness(tmp_path) as made:
        WheelHarness(state=made.state, prod=made.held).put(WHEEL)
        yield made


@asynccontextmanager
async def reader(
    harness: ApiHarness,
    *,
    access: IndexAccess,
    client: str = "127.0.0.1",
    public_url: str | None = None,
    url: str = "http://127.0.0.1:8123",
) -> AsyncIterator[httpx.AsyncClient]:
    """Read without a token, from another place, under another rule."""
    index = replace(harness.services.index, access=access, public_url=public_url)
    app = make_app(replace(harness.services, index=index))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False, client=(client, 4711))
    async with httpx.AsyncClient(transport=transport, base_url=url) as http:
        yield http


@pytest.mark.parametrize("form", list(Form))
async def test_page_has_the_form_that_was_asked_for(harness: ApiHarness, form: Form) -> None:
    paths = [f"{index}/simple/{page}" for index in ("", "/staging", "/own") for page in ("", "demo/")]
    for path in paths:
        answer = await harness.client.get(path, headers={"Accept": form.value})
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].partition(";")[0] == form.value
        assert "demo" in answer.text
        assert {"Accept", "Accept-Encoding"} <= set(answer.headers["Vary"].split(", "))


@pytest.mark.parametrize("index", ["", "/staging", "/own"])
async def test_namespaces_of_the_organisation_are_listed_and_described(harness: ApiHarness, index: str) -> None:
    listed = await harness.client.get(f"{index}/simple/namespaces")
    assert listed.headers["Content-Type"] == Form.JSON.value
    assert listed.json() == [{"name": "acme"}, {"name": "acme-web"}, {"name": "acme-web-shop"}]
    outer = await harness.client.get(f"{index}/simple/namespace/acme")
    assert outer.json() == {"name": "acme", "parent": None, "children": ["acme-web"]}
    inner = await harness.client.get(f"{index}/simple/namespace/Acme_Web")
    assert inner.json() == {"name": "acme-web", "parent": "acme", "children": ["acme-web-shop"]}
    again = await harness.client.get(f"{index}/simple/namespaces", headers={"If-None-Match": listed.headers["ETag"]})
    assert again.status_code == 304


@pytest.mark.parametrize("name", ["demo", "acme-other", "%00"])
async def test_namespace_that_nobody_reserved_is_not_found(harness: ApiHarness, name: str) -> None:
    assert_problem(await harness.client.get(f"/simple/namespace/{name}"), 404, "not-found")


async def test_namespaces_need_a_token_like_the_index(harness: ApiHarness) -> None:
    async with reader(harness, access=IndexAccess()) as http:
        for path in ("/simple/namespaces", "/simple/namespace/acme"):
            assert_problem(await http.get(path), 401, "unauthenticated")


@pytest.mark.parametrize("index", ["", "/staging", "/own"])
async def test_page_of_a_project_has_its_namespaces(harness: ApiHarness, index: str) -> None:
    WheelHarness(state=harness.state, prod=harness.held).put("acme_web-1.0-1-py3-none-any.whl")
    answer = await harness.client.get(f"{index}/simple/acme-web/", headers={"Accept": Form.JSON.value})
    assert answer.json()["namespaces"] == [{"name": "acme", "owned": True}, {"name": "acme-web", "owned": True}]
    other = await harness.client.get(f"{index}/simple/demo/", headers={"Accept": Form.JSON.value})
    assert other.json()["namespaces"] is None


async def test_project_with_the_name_of_a_path_is_found_with_its_slash(harness: ApiHarness) -> None:
    WheelHarness(state=harness.state, prod=harness.held).put("namespaces-1.0-1-py3-none-any.whl")
    assert "namespaces-1.0" in (await harness.client.get("/simple/namespaces/")).text


async def test_unknown_form_is_not_acceptable(harness: ApiHarness) -> None:
    answer = await harness.client.get("/simple/demo/", headers={"Accept": "image/png"})
    problem = assert_problem(answer, 406, "not-acceptable")
    assert Form.JSON.value in problem["hint"]


async def test_known_page_is_not_sent_again_until_it_changes(harness: ApiHarness) -> None:
    first = await harness.client.get("/simple/demo/")
    known = {"If-None-Match": first.headers["ETag"]}
    again = await harness.client.get("/simple/demo/", headers=known)
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
    await harness.client.post(f"/v1/wheels/{WHEEL}/yank", json={"reason": "broken"})
    changed = await harness.client.get("/simple/demo/", headers=known)
    assert (changed.status_code, 'data-yanked="broken"' in changed.text) == (200, True)


async def test_large_page_is_packed_for_who_can_unpack_it(harness: ApiHarness) -> None:
    index = WheelHarness(state=harness.state, prod=harness.held)
    for number in range(20):
        index.put(f"large-1.{number}-1-py3-none-any.whl")
    plain = await harness.client.get("/simple/large/", headers={"Accept-Encoding": "gzip;q=0, identity"})
    async with harness.client.stream("GET", "/simple/large/", headers={"Accept-Encoding": "br, gzip"}) as packed:
        content = b"".join([chunk async for chunk in packed.aiter_raw()])
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(content) == plain.content
    assert packed.headers["ETag"] != plain.headers["ETag"]


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/simple/De.Mo/", "../de-mo/"),
        ("/simple/Demo", "demo/"),
        ("/staging/simple/De__Mo/", "../de-mo/"),
    ],
)
async def test_other_spellings_are_sent_to_the_page(harness: ApiHarness, path: str, location: str) -> None:
    answer = await harness.client.get(path)
    assert (answer.status_code, answer.headers["Location"]) == (301, location)


@pytest.mark.parametrize("path", ["/simple/nothing/", "/simple/-bad-/", "/simple/%3Cscript%3E/", "/simple/a%20b"])
async def test_unknown_project_is_not_found(harness: ApiHarness, path: str) -> None:
    assert_problem(await harness.client.get(path), 404, "not-found")


async def test_browser_is_told_to_run_nothing(harness: ApiHarness) -> None:
    answer = await harness.client.get("/simple/demo/", headers={"Accept": "text/html,*/*;q=0.8"})
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/simple/", "/simple/demo/", f"/files/{WHEEL}", f"/files/{WHEEL}.metadata"])
async def test_token_opens_the_index_as_bearer_and_as_password(harness: ApiHarness, path: str) -> None:
    async with reader(harness, access=IndexAccess()) as http:
        refused = await http.get(path)
        assert_problem(refused, 401, "unauthenticated")
        assert refused.headers["WWW-Authenticate"].startswith("Basic ")
        assert (await http.get(path, auth=("__token__", TOKEN))).status_code == 200
        assert (await http.get(path, headers={"Authorization": f"Bearer {TOKEN}"})).status_code == 200
        assert_problem(await http.get(path, auth=("__token__", "wrong")), 401, "unauthenticated")
        assert_problem(await http.get(path, auth=("me", TOKEN)), 401, "unauthenticated")
        nonsense = await http.get(path, headers={"Authorization": "Basic %%%"})
        assert_problem(nonsense, 401, "unauthenticated")


async def test_reading_alone_is_open_to_everybody_if_the_operator_says_so(harness: ApiHarness) -> None:
    async with reader(harness, access=IndexAccess(anonymous=True), client="192.0.2.1") as http:
        assert (await http.get("/simple/demo/")).status_code == 200
        assert (await http.get(f"/files/{WHEEL}")).status_code == 200
        refused = await http.get("/v1/wheels")
        assert_problem(refused, 401, "unauthenticated")
        assert refused.headers["WWW-Authenticate"].startswith("Bearer ")


async def test_this_host_reads_without_a_token_but_not_what_a_proxy_asks_for(harness: ApiHarness) -> None:
    access = IndexAccess(this_host=True)
    async with reader(harness, access=access) as http:
        assert (await http.get("/simple/demo/")).status_code == 200
        for header in ("X-Forwarded-For", "Forwarded", "Via"):
            assert_problem(await http.get("/simple/demo/", headers={header: "192.0.2.1"}), 401, "unauthenticated")
    async with reader(harness, access=access, client="192.0.2.1") as http:
        assert_problem(await http.get("/simple/demo/"), 401, "unauthenticated")


OURS = [
    "127.0.0.1",
    "127.0.0.1:8123",
    "127.8.9.1",
    "localhost",
    "LocalHost:80",
    "localhost.",
    "a.localhost",
    "[::1]:8123",
]
FOREIGN = [
    *("evil.example", "localhost.evil.example", "127.0.0.1.nip.example", "evil-localhost", "localhost@evil.example"),
    *("evil.example@localhost", "localhost:80@evil.example", "localhost, evil.example", "localhost evil.example", ""),
    *("[::1", "[::2]", "::1", "[::ffff:8.8.8.8]", "192.168.1.1", "0.1.2.3", "2130706433", "127.1", "localhost:x", "."),
    *("localhost..", "localhost/", "http://localhost", "localhost#", "localhost\\.evil.example", "[localhost]"),
]
PATHS = ("/simple/", "/simple/demo/", "/staging/simple/", f"/files/{WHEEL}")


@pytest.mark.parametrize("host", OURS)
async def test_this_host_reads_without_a_token_under_its_own_names(harness: ApiHarness, host: str) -> None:
    async with reader(harness, access=IndexAccess(this_host=True, local=True)) as http:
        for path in PATHS:
            assert (await http.get(path, headers={"Host": host})).status_code == 200


@pytest.mark.parametrize("host", FOREIGN)
@pytest.mark.parametrize("access", [IndexAccess(this_host=True, local=True), IndexAccess(anonymous=True, local=True)])
async def test_page_in_a_browser_here_reads_nothing_under_another_name(
    harness: ApiHarness, access: IndexAccess, host: str
) -> None:
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    async with reader(harness, access=access) as http:
        for path in PATHS:
            assert_problem(await http.get(path, headers={"Host": host}), 401, "unauthenticated")
        assert (await http.get("/simple/", headers={"Host": host, **bearer})).status_code == 200


@pytest.mark.parametrize("headers", [[], [("Host", "localhost"), ("Host", "evil.example")]])
async def test_request_for_no_name_or_two_reads_nothing(harness: ApiHarness, headers: list[tuple[str, str]]) -> None:
    async with reader(harness, access=IndexAccess(this_host=True, local=True)) as http:
        request = http.build_request("GET", "/simple/")
        kept = [(name, value) for name, value in request.headers.items() if name != "host"]
        request.headers = httpx.Headers([*kept, *headers])
        assert_problem(await http.send(request), 401, "unauthenticated")


async def test_what_everybody_may_read_has_the_names_that_the_operator_gives_it(harness: ApiHarness) -> None:
    access, url = IndexAccess(anonymous=True, local=True), "https://wheels.example/x/"
    async with reader(harness, access=access, public_url=url) as http:
        for host in ("wheels.example", "Wheels.Example:443", "127.0.0.1"):
            assert (await http.get("/simple/", headers={"Host": host})).status_code == 200
        assert (await http.get("/simple/", headers={"Host": "evil.example"})).status_code == 401
    async with reader(harness, access=IndexAccess(anonymous=True), client="192.0.2.1") as http:
        assert (await http.get("/simple/", headers={"Host": "any.example"})).status_code == 200


async def test_pages_and_api_that_everybody_may_read_answer_to_our_names_only(tmp_path: Path) -> None:
    async with (
        api_harness(tmp_path / "open", anonymous_read=True) as open_harness,
        reader(open_harness, access=IndexAccess(anonymous=True, local=True)) as http,
    ):
        for path in ("/v1/wheels", "/metrics", "/v1/builds", "/builds", "/"):
            assert (await http.get(path)).status_code == 200, path
            for extra in ({}, {"Authorization": ""}, {"Authorization": "Bearer wy_wrong"}):
                refused = await http.get(path, headers={"Host": "evil.example", "Accept": "text/html", **extra})
                assert refused.status_code in {303, 401}, path
                assert not refused.is_redirect or "/sign-in" in refused.headers["Location"]


@pytest.mark.parametrize("path", PATHS)
async def test_readers_of_the_index_have_a_limit_of_their_own(harness: ApiHarness, path: str) -> None:
    limited = replace(harness.services, access=access_on(harness.services.tokens, limit=1, reads=2))
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    async with reader(replace(harness, services=limited), access=IndexAccess()) as http:
        for _ in range(2):
            assert (await http.get(path, headers=bearer)).status_code == 200
        refused = await http.get(path, headers=bearer)
        assert_problem(refused, 429, "too-many-requests")
        assert int(refused.headers["Retry-After"]) > 0
        assert (await http.get("/v1/targets", headers=bearer)).status_code == 200
    fresh = replace(harness.services, access=access_on(harness.services.tokens, reads=2))
    async with reader(replace(harness, services=fresh), access=IndexAccess(anonymous=True), client="192.0.2.1") as http:
        assert [(await http.get(path)).status_code for _ in range(3)] == [200, 200, 429]
    async with reader(replace(harness, services=fresh), access=IndexAccess(this_host=True)) as http:
        assert [(await http.get(path)).status_code for _ in range(3)] == [200, 200, 200]


async def test_install_line_fits_who_asks(harness: ApiHarness) -> None:
    build_id = await harness.submit()
    await harness.succeed(build_id)
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    start = "pip install --only-binary :all:"
    for access, public_url, line in (
        (IndexAccess(anonymous=True), "https://wheels.example/x/", "--index-url https://wheels.example/x/simple/"),
        (
            IndexAccess(),
            "https://wheels.example",
            '--index-url "https://__token__:$WHEELYARD_TOKEN@wheels.example/simple/"',
        ),
        (IndexAccess(this_host=True), None, "--index-url http://127.0.0.1:8123/simple/"),
        (IndexAccess(this_host=True), "http://127.0.0.1:8123", "--index-url http://127.0.0.1:8123/simple/"),
    ):
        async with reader(harness, access=access, public_url=public_url) as http:
            wheel = (await http.get(f"/v1/builds/{build_id}", headers=bearer)).json()["wheel"]
        assert wheel["install"] == f"{start} {line} pyyaml==6.0.3"


async def test_staged_wheel_is_not_on_the_page_of_users(harness: ApiHarness) -> None:
    WheelHarness(state=harness.state, staging=harness.held).put("new-1.0-1-py3-none-any.whl", level=Level.STAGING)
    assert (await harness.client.get("/simple/new/")).status_code == 404
    page = await harness.client.get("/staging/simple/new/", headers={"Accept": Form.JSON.value})
    address = httpx.URL("http://wheelyard/staging/simple/new/").join(page.json()["files"][0]["url"])
    assert (await harness.client.get(address)).status_code == 200


async def test_wheel_that_devpi_lost_is_not_found(harness: ApiHarness) -> None:
    harness.held.files.clear()
    assert_problem(await harness.client.get(f"/files/{WHEEL}"), 404, "not-found")
    harness.held.faults.down = True
    assert_problem(await harness.client.get(f"/files/{WHEEL}"), 503, "index-unavailable")


async def test_headers_alone_and_whatever_there_is_can_be_asked_for(harness: ApiHarness) -> None:
    paths = [f"{index}/simple/{page}" for index in ("", "/staging", "/own") for page in ("", "demo/")]
    for path in paths:
        page = await harness.client.get(path)
        head = await harness.client.head(path)
        assert (head.status_code, head.headers["ETag"]) == (200, page.headers["ETag"]), path
        known = await harness.client.get(path, headers={"If-None-Match": "*"})
        assert (known.status_code, known.content) == (304, b""), path
        weak = await harness.client.get(path, headers={"If-None-Match": f'"other", W/{page.headers["ETag"]}'})
        assert weak.status_code == 304, path
    assert (await harness.client.get(f"/files/{WHEEL}", headers={"If-None-Match": "*"})).status_code == 304
