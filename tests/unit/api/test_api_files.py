"""Files that others bring over HTTP: as twine, uv and Poetry send them, and as the body of a REST request."""

import base64
import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.contract.samples import sample_failure, sample_wheel
from tests.unit.api_harness import SECRET, ApiHarness, api_harness, assert_problem
from tests.unit.pipeline_harness import make_wheel

from wheelyard.domain.access import Scope
from wheelyard.domain.builds.build import SourceKind, Status
from wheelyard.domain.builds.records import Outcome
from wheelyard.domain.index.uploads import Upload
from wheelyard.usecases.tokens import PREFIX, digest_secret
from wheelyard.usecases.uploads.bring_file import BringFile

NAME = "demo-1.0-py3-none-any.whl"
WHEEL = make_wheel(NAME)
SHA256 = hashlib.sha256(WHEEL).hexdigest()
BASIC = {"Authorization": "Basic " + base64.b64encode(f"__token__:{PREFIX}{SECRET}".encode()).decode()}
FORM = {
    ":action": "file_upload",
    "protocol_version": "1",
    "name": "demo",
    "version": "1.0",
    "filetype": "bdist_wheel",
    "pyversion": "py3",
    "metadata_version": "2.4",
    "sha256_digest": SHA256,
    "blake2_256_digest": hashlib.blake2b(WHEEL, digest_size=32).hexdigest(),
    "md5_digest": hashlib.md5(WHEEL, usedforsecurity=False).hexdigest(),
}


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[ApiHarness]:
    async with api_harness(tmp_path) as made:
        yield made


async def send(
    harness: ApiHarness,
    form: Mapping[str, Any] = FORM,
    *,
    name: str = NAME,
    content: bytes = WHEEL,
    headers: Mapping[str, str] = BASIC,
) -> httpx.Response:
    return await harness.client.post(
        "/legacy/", data=form, files={"content": (name, content, "application/octet-stream")}, headers=headers
    )


async def push(harness: ApiHarness, *, content: bytes = WHEEL, name: str = NAME, **query: str) -> httpx.Response:
    return await harness.client.post("/v1/files", params={"filename": name, **query}, content=content)


async def end(harness: ApiHarness, outcome: Outcome) -> str:
    build_id = str((await harness.client.get(f"/v1/files/{NAME}")).json()["build_id"])
    assert await harness.attempts.finish(await harness.claim(build_id), outcome)
    return build_id


async def publish(harness: ApiHarness, *, filename: str = NAME, changes: tuple[str, ...] = ()) -> str:
    wheel = replace(sample_wheel(), filename=filename, url="https://index/demo.whl", changes=changes)
    return await end(harness, Outcome(status=Status.SUCCEEDED, wheel=wheel))


async def test_form_of_upload_tools_is_taken_and_its_build_starts_from_the_file(harness: ApiHarness) -> None:
    answer = await send(harness)
    assert answer.status_code == 202
    found = (await harness.client.get(f"/v1/files/{NAME}")).json()
    assert f"/builds/{found['build_id']}" in answer.text
    assert (found["state"], found["project"], found["sha256"]) == ("pending", "demo", SHA256)
    assert found["uploaded_by"].startswith("tests (")
    order = (await harness.builds.get(found["build_id"])).order
    assert (order.sdist.kind, order.sdist.sha256) == (SourceKind.WHEEL, SHA256)
    parts = harness.services.uploads.store.read(order.sdist.url.removeprefix("upload:"))
    assert b"".join([part async for part in parts]) == WHEEL


async def test_upload_without_digests_and_with_a_bearer_token_is_taken(harness: ApiHarness) -> None:
    bearer = {"Authorization": f"Bearer {PREFIX}{SECRET}"}
    assert (await send(harness, {":action": "file_upload"}, headers=bearer)).status_code == 202


async def test_published_wheel_is_a_success_that_says_what_was_changed(harness: ApiHarness) -> None:
    await send(harness)
    await publish(harness, filename="demo-1.0-1.bookworm-py3-none-any.whl", changes=("Its tag was x, and is y.",))
    answer = await send(harness)
    assert answer.status_code == 200
    assert "demo-1.0-1.bookworm-py3-none-any.whl" in answer.text
    assert "Its tag was x, and is y." in answer.text
    found = (await push(harness)).json()
    assert (found["state"], found["wheel_filename"]) == ("published", "demo-1.0-1.bookworm-py3-none-any.whl")


async def test_refused_wheel_is_answered_with_what_why_and_what_to_do(harness: ApiHarness) -> None:
    await send(harness)
    build_id = await end(harness, Outcome(status=Status.FAILED, failure=sample_failure()))
    upload = await harness.services.uploads.store.find(NAME)
    with pytest.raises(Exception, match="is refused") as caught:
        await harness.services.uploads.bring.wait(upload, seconds=0)
    assert sample_failure().summary in str(caught.value)
    found = (await harness.client.get(f"/v1/files/{NAME}")).json()
    assert (found["state"], found["build_id"]) == ("refused", build_id)
    assert found["failure"]["code"] == sample_failure().code


@pytest.mark.parametrize(
    ("claim", "says"),
    [
        ({"sha256_digest": "ab" * 32}, "its sha256 is"),
        ({"blake2_256_digest": "ab" * 32}, "its blake2_256 is"),
        ({"md5_digest": "ab" * 16}, "its md5 is"),
        ({"name": "other"}, "the file is of demo"),
        ({"version": "2.0"}, "the file has the version 1.0"),
        ({"version": "no version"}, "the file has the version 1.0"),
        ({"filetype": "sdist"}, "the file is a wheel"),
        ({"pyversion": "cp313"}, "the file is for py3"),
        ({":action": "doc_upload"}, "only file_upload"),
        ({"protocol_version": "2"}, "only file_upload of version 1"),
        ({"name": ["demo", "other"]}, "2 fields name"),
        ({"attestations": "{"}, "attestations cannot be read"),
        ({"attestations": "{}"}, "attestations are no list"),
    ],
)
async def test_form_that_is_not_true_of_its_file_is_refused(
    harness: ApiHarness, claim: Mapping[str, Any], says: str
) -> None:
    answer = await send(harness, {**FORM, **claim})
    assert answer.status_code == 400
    assert says in answer.text
    assert "[upload-invalid]" in answer.text
    assert (await harness.client.get(f"/v1/files/{NAME}")).status_code == 404
    assert harness.state.brought_parts == {}


async def test_attestations_are_kept_as_they_were_sent(harness: ApiHarness) -> None:
    attestations = [{"version": 1, "envelope": {"statement": "eyJ=", "signature": "MEUC"}, "unknown": [1, None]}]
    assert (await send(harness, {**FORM, "attestations": json.dumps(attestations)})).status_code == 202
    assert list((await harness.services.uploads.store.find(NAME)).attestations) == attestations
    assert (await harness.client.get(f"/v1/files/{NAME}")).json()["attestations"] == 1


async def test_other_bytes_under_the_name_are_a_conflict(harness: ApiHarness) -> None:
    await send(harness)
    other = make_wheel(NAME, requires=["idna"])
    answer = await send(harness, {":action": "file_upload"}, content=other)
    assert answer.status_code == 409
    assert answer.text.startswith(f"{NAME} already exists, with other bytes")
    assert_problem(await push(harness, content=other), 409, "upload-conflict")


@pytest.mark.parametrize("name", ["demo-1.0.tar.bz2", "demo-1.0.tgz", "demo-1.0.egg", "demo-1.0.exe"])
async def test_what_is_neither_a_wheel_nor_an_sdist_is_refused_with_what_to_do(harness: ApiHarness, name: str) -> None:
    answer = await send(harness, {":action": "file_upload"}, name=name, content=b"sdist")
    assert answer.status_code == 400
    assert "python -m build" in answer.text
    assert_problem(await push(harness, name=name, content=b"sdist"), 400, "upload-unsupported")


@pytest.mark.parametrize("name", ["../demo-1.0-py3-none-any.whl", "a/b.whl", "demo 1.0.whl", "x" * 300 + ".whl"])
async def test_name_that_is_not_plain_is_refused(harness: ApiHarness, name: str) -> None:
    answer = await send(harness, {":action": "file_upload"}, name=name)
    assert answer.status_code == 400
    assert "not a plain file name" in answer.text


async def test_wheel_that_contradicts_itself_is_refused_at_once(harness: ApiHarness) -> None:
    answer = await send(harness, {":action": "file_upload"}, name="other-1.0-py3-none-any.whl")
    assert answer.status_code == 400
    assert "[invalid-wheel]" in answer.text
    assert_problem(await push(harness, name="other-1.0-py3-none-any.whl"), 422, "invalid-wheel")


async def test_file_that_is_too_large_is_refused(harness: ApiHarness) -> None:
    large = b"\0" * ((4 << 20) + 1)
    assert_problem(await push(harness, content=large), 413, "upload-too-large")
    answer = await send(harness, content=large)
    assert (answer.status_code, "[upload-too-large]" in answer.text) == (413, True)

    async def in_pieces() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b"\0" * (1 << 20)

    answer = await harness.client.post("/v1/files", params={"filename": NAME}, content=in_pieces())
    assert_problem(answer, 413, "upload-too-large")


async def test_form_with_too_much_beside_the_file_is_refused(harness: ApiHarness) -> None:
    answer = await send(harness, {**FORM, "description": "x" * (5 << 20)})
    assert answer.status_code == 400
    assert "more than 4 MiB" in answer.text


async def test_broken_form_is_refused(harness: ApiHarness) -> None:
    headers = {**BASIC, "Content-Type": "multipart/form-data; boundary=x"}
    for body, says in (
        (b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\nv", "ends in the middle"),
        (b"nonsense", "cannot be read"),
        (b"--x--\r\n", "no file"),
    ):
        answer = await harness.client.post("/legacy/", content=body, headers=headers)
        assert (answer.status_code, says in answer.text) == (400, True), answer.text
    answer = await harness.client.post("/legacy/", data={"a": "b"}, headers=BASIC)
    assert "no form" in answer.text


async def test_two_files_in_a_form_are_refused(harness: ApiHarness) -> None:
    files = [("content", (NAME, WHEEL)), ("content", (NAME, WHEEL))]
    answer = await harness.client.post("/legacy/", files=files, headers=BASIC)
    assert "several files" in answer.text


async def test_signature_beside_the_file_is_ignored(harness: ApiHarness) -> None:
    files = {"content": (NAME, WHEEL), "gpg_signature": (f"{NAME}.asc", b"-----BEGIN PGP")}
    answer = await harness.client.post("/legacy/", data=FORM, files=files, headers=BASIC)
    assert answer.status_code == 202


async def test_wrong_token_is_refused_before_the_file_is_read(harness: ApiHarness) -> None:
    wrong = {"Authorization": "Basic " + base64.b64encode(b"__token__:wy_wrong").decode()}
    answer = await send(harness, headers=wrong)
    assert (answer.status_code, "[unauthenticated]" in answer.text) == (401, True)
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")
    user = {"Authorization": "Basic " + base64.b64encode(b"me:wy_wrong").decode()}
    assert "'__token__'" in (await send(harness, headers=user)).text


async def _bearer(harness: ApiHarness, scope: Scope, *publishes: str) -> dict[str, str]:
    token = await harness.token_store.create(
        publishes=(),
        name="ci",
        scope=scope,
        secret_digest=digest_secret(f"{PREFIX}ci"),
        expires_at=None,
        created_by="root",
    )
    digest, _ = harness.state.tokens[token.id]
    harness.state.tokens[token.id] = (digest, replace(token, publishes=publishes))
    return {"Authorization": f"Bearer {PREFIX}ci"}


async def test_token_uploads_the_projects_that_it_names(harness: ApiHarness) -> None:
    headers = await _bearer(harness, Scope.PUBLISH, "acme-*", "demo")
    assert (await send(harness, headers=headers)).status_code == 202


async def test_token_of_other_projects_is_refused(harness: ApiHarness) -> None:
    headers = await _bearer(harness, Scope.PUBLISH, "acme-*")
    answer = await send(harness, headers=headers)
    assert (answer.status_code, "[publish-forbidden]" in answer.text) == (403, True)
    answer = await harness.client.post("/v1/files", params={"filename": NAME}, content=WHEEL, headers=headers)
    problem = assert_problem(answer, 403, "publish-forbidden")
    assert problem["context"] == {"project": "demo", "publishes": ["acme-*"]}
    assert (await harness.client.get("/v1/files")).json()["files"] == []


async def test_token_that_requests_wheels_uploads_none(harness: ApiHarness) -> None:
    headers = await _bearer(harness, Scope.REQUEST, "demo")
    assert (await send(harness, headers=headers)).status_code == 403


async def test_files_are_listed_page_by_page(harness: ApiHarness) -> None:
    names = [f"demo-1.{number}-py3-none-any.whl" for number in range(3)]
    for name in names:
        assert (await push(harness, name=name, content=make_wheel(name, version=name.split("-")[1]))).status_code == 202
    page = (await harness.client.get("/v1/files", params={"limit": 2, "project": "Demo"})).json()
    assert [one["filename"] for one in page["files"]] == names[:0:-1]
    rest = (await harness.client.get(page["next"])).json()
    assert ([one["filename"] for one in rest["files"]], rest["next"]) == (names[:1], None)


async def test_sha256_of_a_request_is_compared(harness: ApiHarness) -> None:
    assert_problem(await push(harness, sha256="ab" * 32), 400, "upload-invalid")
    assert (await push(harness, sha256=SHA256)).status_code == 202


async def test_upload_to_the_address_of_installers_is_told_the_right_one(harness: ApiHarness) -> None:
    answer = await harness.client.post("/simple/", data={":action": "file_upload"})
    assert "/legacy/" in assert_problem(answer, 400, "upload-invalid")["detail"]


@pytest.mark.parametrize(
    ("agent", "seconds"),
    [
        ("poetry/2.5.1 CPython/3.13.7 Linux/6.12", 10),
        ("Poetry/1.8", 10),
        ("twine/6.2.0 poetry/2", 60),
        ("uv/0.9", 60),
        ("", 60),
    ],
)
async def test_poetry_is_answered_before_it_gives_up(
    harness: ApiHarness, monkeypatch: pytest.MonkeyPatch, agent: str, seconds: float
) -> None:
    waited: list[float] = []

    async def wait(_: BringFile, upload: Upload, *, seconds: float) -> Upload:
        waited.append(seconds)
        return upload

    monkeypatch.setattr(BringFile, "wait", wait)
    for operators in (60, 5):
        uploads = replace(harness.services.uploads, wait_seconds=operators)
        harness.app.state.services = replace(harness.services, uploads=uploads)
        assert (await send(harness, headers={**BASIC, "User-Agent": agent})).status_code == 202
    assert waited == [seconds, 5]
