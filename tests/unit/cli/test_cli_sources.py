"""The sources of a wheel are listed, and fetched from a real server, each checked by its hash."""

import hashlib
import json
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.unit.cli_harness import URL, client_of

from wheelyard.cli.client import WheelyardClient
from wheelyard.cli.problem import ExitCode
from wheelyard.cli.wheels import fetch_sources, show_sources
from wheelyard.errors import DownloadFailedError, HashMismatchError, SourcesIncompleteError

WHEEL = "demo-1.0-1-cp313-cp313-manylinux_2_17_x86_64.whl"
FILES = {"a.dsc": b"Format: 3.0\n", "a.orig.tar.gz": b"\x1f\x8b" * 1000}


class Mirror(BaseHTTPRequestHandler):
    """A mirror that has the files, and remembers the tokens that it was sent."""

    tokens: list[str] = []  # noqa: RUF012  one server at a time

    def do_GET(self) -> None:
        content = FILES.get(self.path.removeprefix("/pool/"))
        self.tokens.append(self.headers.get("Authorization", ""))
        self.send_response(404 if content is None else 200)
        self.send_header("Content-Length", str(len(content or b"")))
        if self.path.endswith(".gz"):
            # As some servers do: https://github.com/pypa/pip/issues/1419
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def mirror() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/pool"
    server.shutdown()
    thread.join()
    server.server_close()


def file(base: str, name: str, **changes: object) -> dict[str, Any]:
    digest = hashlib.sha256(FILES.get(name, b"")).hexdigest()
    facts = {"name": name, "url": f"{base}/{name}", "sha256": digest, "size_bytes": len(FILES.get(name, b""))}
    return {**facts, **changes}


def source(*files: dict[str, Any], problem: str | None = None) -> dict[str, Any]:
    return {"kind": "package", "name": "a", "version": "1:1-1", "files": list(files), "problem": problem}


def answer(*sources: dict[str, Any]) -> WheelyardClient:
    document = {"filename": WHEEL, "sbom": None, "components": [], "sources": list(sources)}

    def act(request: httpx.Request) -> httpx.Response:
        assert request.url.path == f"/v1/wheels/{WHEEL}/sources"
        return httpx.Response(200, json=document)

    return client_of(act)


def test_list_has_addresses_hashes_and_problems(capsys: pytest.CaptureFixture[str]) -> None:
    client = answer(source(file("http://deb.example", "a.dsc")), source(problem="It is \x1b[31mgone."))
    assert show_sources(client, WHEEL, as_json=False) is ExitCode.OK
    said = capsys.readouterr().out
    assert "package  a 1:1-1\n  http://deb.example/a.dsc" in said
    assert hashlib.sha256(FILES["a.dsc"]).hexdigest() in said
    assert "gone." in said
    assert "\x1b" not in said


def test_archive_has_every_file_and_the_same_bytes_twice(
    mirror: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Mirror.tokens.clear()
    client = answer(source(file(mirror, "a.dsc"), file(mirror, "a.orig.tar.gz", size_bytes=None)))
    archives = [tmp_path / "one.tar", tmp_path / "two.tar"]
    assert fetch_sources(client, WHEEL, archives[0], as_json=False) is ExitCode.OK
    assert fetch_sources(client, WHEEL, archives[1], as_json=True) is ExitCode.OK
    assert archives[0].read_bytes() == archives[1].read_bytes()
    with tarfile.open(archives[0]) as tar:
        found = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
    assert found == {f"package/a_1:1-1/{name}": content for name, content in FILES.items()}
    assert json.loads(capsys.readouterr().out)["files"] == 2
    assert set(Mirror.tokens) == {""}, "no other host gets the token"


def test_file_of_the_service_is_asked_for_with_the_token(tmp_path: Path) -> None:
    sdist = file(f"{URL}/files", "a.dsc")

    def act(request: httpx.Request) -> httpx.Response:
        assert request.headers["Authorization"] == "Bearer wy_secret"
        if request.url.path.startswith("/files/"):
            return httpx.Response(200, stream=httpx.ByteStream(FILES["a.dsc"]))
        document = {"filename": WHEEL, "sbom": None, "components": [], "sources": [source(sdist)]}
        return httpx.Response(200, json=document)

    assert fetch_sources(client_of(act), WHEEL, tmp_path / "one.tar", as_json=False) is ExitCode.OK


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"sha256": "00" * 32}, HashMismatchError, "00000000 was expected"),
        ({"size_bytes": 3}, DownloadFailedError, "larger than 3 bytes"),
        ({"size_bytes": 9 << 30}, SourcesIncompleteError, "larger than 8"),
        ({"name": "gone", "url": "{mirror}/gone"}, DownloadFailedError, "HTTP status 404"),
        ({"url": "http://127.0.0.1:1/x"}, DownloadFailedError, "http://127.0.0.1:1/x could not be fetched"),
        ({"url": "gopher://odd"}, DownloadFailedError, "gopher://odd could not be fetched"),
    ],
)
def test_file_that_is_not_what_it_should_be_leaves_no_archive(
    mirror: str, tmp_path: Path, changes: dict[str, Any], error: type[Exception], said: str
) -> None:
    there = {key: str(value).replace("{mirror}", mirror) if key == "url" else value for key, value in changes.items()}
    client = answer(source(file(mirror, "a.orig.tar.gz"), {**file(mirror, "a.dsc"), **there}))
    with pytest.raises(error, match=said):
        fetch_sources(client, WHEEL, tmp_path / "one.tar", as_json=False)
    assert list(tmp_path.iterdir()) == []


def test_source_without_files_and_place_without_a_folder_are_named(mirror: str, tmp_path: Path) -> None:
    with pytest.raises(SourcesIncompleteError, match="a 1:1-1: It is gone"):
        fetch_sources(answer(source(problem="It is gone.")), WHEEL, tmp_path / "one.tar", as_json=False)
    with pytest.raises(SourcesIncompleteError, match="no source of it is recorded"):
        fetch_sources(answer(), WHEEL, tmp_path / "one.tar", as_json=False)
    with pytest.raises(SourcesIncompleteError, match="cannot be written"):
        fetch_sources(answer(source(file(mirror, "a.dsc"))), WHEEL, tmp_path / "none" / "one.tar", as_json=False)
