"""Folders and sdists that callers send over HTTP to be built: who may, what is refused, and what comes of it."""

import hashlib
import io
import tarfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from tests.contract.samples import sample_failure, sample_wheel
from tests.unit.api_harness import ApiHarness, api_harness, assert_problem

from wheelyard.domain.access import Scope
from wheelyard.domain.builds.build import SourceKind, Status
from wheelyard.domain.builds.local_source import LocalKind
from wheelyard.domain.builds.records import Outcome
from wheelyard.usecases.tokens import PREFIX, digest_secret

PKG_INFO = b"Metadata-Version: 2.2\nName: demo\nVersion: 1.2\n"


def packed(files: Mapping[str, bytes], top: str = "project") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{top}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


FOLDER = packed({"pyproject.toml": b'[project]\nname = "Demo"\nversion = "1.2"\n', "demo.py": b""})
SDIST = packed({"PKG-INFO": PKG_INFO, "demo.py": b""}, "demo-1.2")
NAMELESS = packed({"setup.py": b"setup()"})


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[ApiHarness]:
    async with api_harness(tmp_path) as made:
        yield made


async def send(
    harness: ApiHarness, content: bytes = FOLDER, headers: Mapping[str, str] | None = None, /, **query: str
) -> httpx.Response:
    params = {"kind": "folder", "name": "billing", **query}
    return await harness.client.post("/v1/builds/local", params=params, content=content, headers=headers)


async def bearer(harness: ApiHarness, scope: Scope, *publishes: str) -> dict[str, str]:
    secret = f"{PREFIX}{scope}{len(publishes)}"
    token = await harness.token_store.create(
        publishes=publishes,
        name="ci",
        scope=scope,
        secret_digest=digest_secret(secret),
        expires_at=None,
        created_by="root",
    )
    assert token.publishes == publishes
    return {"Authorization": f"Bearer {secret}"}


async def parts_of(harness: ApiHarness) -> list[bytes]:
    return [data for parts in harness.state.brought_parts.values() for _, data in parts.values()]


async def test_folder_becomes_a_build_that_names_it_and_its_sender(harness: ApiHarness) -> None:
    sha256 = hashlib.sha256(FOLDER).hexdigest()
    answer = await send(harness, sha256=sha256, commit="ab" * 20, tag="v1.2")
    assert answer.status_code == 202, answer.text
    document = answer.json()
    assert answer.headers["Location"] == f"/v1/builds/{document['id']}"
    assert (document["project"], document["version"]) == ("demo", f"1.2.dev0+l{sha256[:12]}")
    assert (document["sdist"], document["source"], document["joined"]) == (None, None, False)
    sent = document["local_source"]
    assert (sent["kind"], sent["name"], sent["sha256"], sent["size_bytes"]) == (
        "folder",
        "billing",
        sha256,
        len(FOLDER),
    )
    assert sent["sent_by"].startswith("tests (")
    assert (sent["commit"], sent["tag"], sent["version"]) == ("ab" * 20, "v1.2", None)
    order = harness.state.find(document["id"]).build.order
    assert order.sdist.kind is SourceKind.LOCAL
    read = [part async for part in harness.services.uploads.store.read(order.sdist.url.removeprefix("upload:"))]
    assert b"".join(read) == FOLDER


async def test_same_content_again_is_the_same_build_and_its_bytes_are_kept_once(harness: ApiHarness) -> None:
    first = (await send(harness)).json()
    again = await send(harness, name="another-checkout", commit="ab" * 20)
    assert (again.status_code, again.json()["id"], again.json()["joined"]) == (202, first["id"], True)
    assert await parts_of(harness) == [FOLDER]
    claim = await harness.claim(first["id"])
    assert await harness.attempts.finish(claim, Outcome(status=Status.SUCCEEDED, wheel=sample_wheel()))
    done = await send(harness)
    assert (done.status_code, done.json()["id"], done.json()["status"]) == (200, first["id"], "succeeded")
    other = await send(harness, python="3.11")
    assert other.json()["id"] != first["id"]


async def test_same_content_after_a_failure_is_a_new_build(harness: ApiHarness) -> None:
    first = (await send(harness)).json()
    claim = await harness.claim(first["id"])
    assert await harness.attempts.finish(claim, Outcome(status=Status.FAILED, failure=sample_failure()))
    again = await send(harness)
    assert again.json()["id"] != first["id"]
    assert len(await parts_of(harness)) == 2


async def test_sdist_is_built_as_a_development_version_too(harness: ApiHarness) -> None:
    answer = await send(harness, SDIST, kind="sdist", name="demo-1.2.tar.gz")
    assert answer.status_code == 202, answer.text
    sha256 = hashlib.sha256(SDIST).hexdigest()
    assert answer.json()["version"] == f"1.2.dev0+l{sha256[:12]}"
    assert answer.json()["sdist"]["filename"] == "demo-1.2.tar.gz"
    assert answer.json()["local_source"]["kind"] == LocalKind.SDIST


async def test_project_that_no_file_names_is_named_by_the_caller(harness: ApiHarness) -> None:
    assert_problem(await send(harness, NAMELESS), 422, "local-source-invalid")
    answer = await send(harness, NAMELESS, project="Demo", tag="v3.1")
    assert (answer.json()["project"], answer.json()["version"].partition("+")[0]) == ("demo", "3.1.dev0")


async def test_name_that_the_files_contradict_is_refused(harness: ApiHarness) -> None:
    assert_problem(await send(harness, project="requests"), 422, "local-source-invalid")
    assert_problem(
        await send(harness, SDIST, kind="sdist", name="demo-1.2.tar.gz", project="requests"),
        422,
        "local-source-invalid",
    )


@pytest.mark.parametrize(
    ("content", "query"),
    [
        (b"no archive", {}),
        (packed({"../../x": b""}), {}),
        (packed({".git/config": b""}), {}),
        (SDIST, {"kind": "sdist", "name": "requests-1.2.tar.gz"}),
        (SDIST, {"kind": "sdist", "name": "demo-1.3.tar.gz"}),
        (SDIST, {"kind": "sdist", "name": "demo.tar.gz"}),
        (SDIST, {"kind": "sdist", "name": "demo-1.2-py3-none-any.whl"}),
        (SDIST, {"kind": "sdist", "name": "../demo-1.2.tar.gz"}),
        (FOLDER, {"kind": "sdist", "name": "demo-1.2.tar.gz"}),
        (FOLDER, {"project": "no name!"}),
    ],
)
async def test_what_is_no_project_is_refused_and_nothing_is_kept(
    harness: ApiHarness, content: bytes, query: dict[str, str]
) -> None:
    assert_problem(await send(harness, content, **query), 422, "local-source-invalid")
    assert await parts_of(harness) == []
    assert not harness.state.records


async def test_damaged_body_and_unknown_target_are_refused_and_nothing_is_kept(harness: ApiHarness) -> None:
    assert_problem(await send(harness, sha256="ab" * 32), 400, "upload-invalid")
    assert_problem(await send(harness, python="3.6"), 422, "unknown-target")
    assert_problem(await send(harness, kind="wheel"), 422, "invalid-request")
    assert_problem(await send(harness, commit="HEAD"), 422, "invalid-request")
    assert await parts_of(harness) == []


async def test_tag_that_git_would_not_take_is_left_out(harness: ApiHarness) -> None:
    answer = await send(harness, tag="--upload-pack=evil")
    assert answer.json()["local_source"]["tag"] is None


async def test_token_may_send_only_the_projects_that_it_may_publish(harness: ApiHarness) -> None:
    assert_problem(await send(harness, FOLDER, await bearer(harness, Scope.REQUEST)), 403, "forbidden")
    other = await bearer(harness, Scope.PUBLISH, "acme-*")
    assert_problem(await send(harness, FOLDER, other), 403, "publish-forbidden")
    sdist = await send(harness, SDIST, other, kind="sdist", name="demo-1.2.tar.gz")
    assert_problem(sdist, 403, "publish-forbidden")
    # What the caller says does not count against what the files say, and both are checked.
    assert_problem(await send(harness, FOLDER, other, project="acme-x"), 422, "local-source-invalid")
    assert_problem(await send(harness, NAMELESS, other, project="demo"), 403, "publish-forbidden")
    assert not harness.state.records
    mine = await bearer(harness, Scope.PUBLISH, "acme-*", "demo")
    assert (await send(harness, FOLDER, mine)).status_code == 202


async def test_too_large_body_is_refused_by_its_announced_size(harness: ApiHarness) -> None:
    services = harness.services
    small = replace(services.uploads, limit_bytes=len(FOLDER) - 1)
    harness.app.state.services = replace(services, uploads=small)
    assert_problem(await send(harness), 413, "upload-too-large")
