"""The whole of our index on real services: pages, bytes, yank, promotion, deletion, check."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from tests.integration.index_service import IndexService, make_wheel, open_index_service

from wheelyard.adapters.store.wheels import PostgresWheels
from wheelyard.assembly.index import worker_index
from wheelyard.domain.index.index import IndexEndpoint, Level
from wheelyard.errors import IndexConflictError, WorkerLostError
from wheelyard.settings import Settings

JSON = {"Accept": "application/vnd.pypi.simple.v1+json"}


@pytest.fixture(scope="module")
async def service(
    database_url: str, endpoint: IndexEndpoint, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[IndexService]:
    async with open_index_service(database_url, endpoint, tmp_path_factory.mktemp("index")) as running:
        yield running


@pytest.fixture(scope="module")
async def http(service: IndexService) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {service.token}"}
    async with httpx.AsyncClient(base_url=service.url, headers=headers, trust_env=False) as client:
        yield client


async def files_of(http: httpx.AsyncClient, project: str, *, simple: str = "/simple") -> dict[str, dict[str, object]]:
    page = await http.get(f"{simple}/{project}/", headers=JSON)
    return {file["filename"]: file for file in page.json()["files"]} if page.is_success else {}


async def test_published_wheel_is_served_whole_and_in_part(service: IndexService, http: httpx.AsyncClient) -> None:
    wheel = await service.publish("whole_thing")
    (file,) = (await files_of(http, "whole-thing")).values()
    address = httpx.URL(f"{service.url}/simple/whole-thing/").join(str(file["url"]))
    whole = await http.get(address)
    assert hashlib.sha256(whole.content).hexdigest() == wheel.sha256 == file["hashes"]["sha256"]  # type: ignore[index]
    assert "immutable" in whole.headers["Cache-Control"]
    part = await http.get(address, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    assert part.headers["Content-Range"] == f"bytes 10-19/{wheel.size_bytes}"
    beyond = await http.get(address, headers={"Range": f"bytes={wheel.size_bytes}-"})
    assert beyond.status_code == 416
    other = await http.get(address, headers={"Range": "bytes=10-19", "If-Range": '"another"'})
    assert (other.status_code, other.content) == (200, whole.content)
    known = await http.get(address, headers={"If-None-Match": whole.headers["ETag"]})
    assert (known.status_code, known.content) == (304, b"")
    head = await http.head(address)
    assert (head.headers["Content-Length"], head.content) == (str(wheel.size_bytes), b"")


async def test_metadata_is_served_byte_by_byte(service: IndexService, http: httpx.AsyncClient) -> None:
    wheel = await service.publish("metadata_thing", requires=["idna"])
    answer = await http.get(f"/files/{wheel.filename}.metadata")
    assert hashlib.sha256(answer.content).hexdigest() == wheel.metadata_sha256
    assert b"Requires-Dist: idna" in answer.content
    (file,) = (await files_of(http, "metadata-thing")).values()
    assert file["core-metadata"] == {"sha256": wheel.metadata_sha256}


async def test_deleted_wheel_is_gone_from_devpi_too_and_its_name_stays_taken(
    service: IndexService, http: httpx.AsyncClient
) -> None:
    wheel = await service.publish("gone_thing")
    refused = await http.delete(f"/v1/wheels/{wheel.filename}", params={"confirm": "gone_thing"})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid-request")
    deleted = await http.delete(f"/v1/wheels/{wheel.filename}", params={"confirm": wheel.filename})
    assert deleted.json()["standing"] == "deleted"
    assert await files_of(http, "gone-thing") == {}
    assert (await http.get(f"/files/{wheel.filename}")).status_code == 404
    held = await service.backends.storage.list_files()
    assert wheel.filename not in {file.filename for file in held}
    build = (await http.get(f"/v1/wheels/{wheel.filename}")).json()["build_id"]
    assert build == wheel.build_id
    with pytest.raises(IndexConflictError):
        await service.publish("gone_thing", body="other = 'bytes'")
    assert (await service.publish("gone_thing")).deleted_at is None


async def test_promotion_publishes_the_very_bytes(service: IndexService, http: httpx.AsyncClient) -> None:
    wheel = await service.publish("staged_thing", level=Level.STAGING)
    assert await files_of(http, "staged-thing") == {}
    (staged,) = (await files_of(http, "staged-thing", simple="/staging/simple")).values()
    assert staged["hashes"] == {"sha256": wheel.sha256}
    promoted = (await http.post(f"/v1/wheels/{wheel.filename}/promote")).json()
    assert (promoted["level"], promoted["sha256"]) == ("prod", wheel.sha256)
    assert list(await files_of(http, "staged-thing")) == [wheel.filename]
    held = {
        file.level: file.sha256
        for file in await service.backends.storage.list_files()
        if file.filename == wheel.filename
    }
    assert held == {Level.PROD: wheel.sha256, Level.STAGING: wheel.sha256}
    again = await http.post(f"/v1/wheels/{wheel.filename}/promote")
    assert again.json()["level"] == "prod"


async def test_check_finds_and_mends_what_differs(
    service: IndexService, http: httpx.AsyncClient, tmp_path: Path
) -> None:
    whole = await service.publish("sound_thing")
    lost = await service.publish("lost_thing")
    staged = await service.publish("copied_thing", level=Level.STAGING)
    await http.post(f"/v1/wheels/{staged.filename}/promote")
    for wheel in (lost, staged):
        await service.backends.storage.remove(wheel.project, wheel.filename)
    await service.backends.indexes[Level.STAGING].publish(service.folder / staged.filename, sha256=staged.sha256)
    stranger = make_wheel(tmp_path, name="stranger_thing", version="1.0")
    digest = hashlib.sha256(stranger.read_bytes()).hexdigest()
    await service.backends.indexes[Level.PROD].publish(stranger, sha256=digest)
    bare = await service.publish("bare_thing")
    await service.database.fetch_all(
        "update wheels set metadata = null where filename = %(name)s returning 1", {"name": bare.filename}
    )

    first = (await http.post("/v1/index/check", json={"mend": True})).json()
    second = (await http.post("/v1/index/check", json={})).json()

    found = {finding["filename"]: (finding["difference"], finding["mended"]) for finding in first["findings"]}
    assert found[staged.filename] == ("missing", True)
    assert found[bare.filename] == ("no-metadata", True)
    assert found[lost.filename] == ("missing", False)
    assert found[stranger.name] == ("unknown", False)
    assert whole.filename not in found
    left = {finding["filename"] for finding in second["findings"]}
    assert {lost.filename, stranger.name} <= left
    assert left & {staged.filename, bare.filename, whole.filename} == set()
    assert (first["sound"], second["sound"]) == (False, False)
    assert (await http.get(f"/v1/wheels/{bare.filename}")).json()["metadata_sha256"] == bare.metadata_sha256


async def test_attempt_that_lost_its_build_puts_nothing_on_devpi(service: IndexService, tmp_path: Path) -> None:
    wheels, claim = PostgresWheels(service.database), await service.claimed("lost_claim")
    wheel = make_wheel(tmp_path, name="lost_claim", version="1.0")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    heir = await service.taken_over(claim)

    async def permit() -> None:
        if not await wheels.begin_upload(claim, filename=wheel.name, sha256=digest):
            raise WorkerLostError(worker=claim.worker)

    index = worker_index(Settings(), service.database, service.backends)
    with pytest.raises(WorkerLostError):
        await index.publish(wheel, sha256=digest, permit=permit)
    assert [file.filename for file in await service.backends.storage.list_files() if file.filename == wheel.name] == []
    assert await wheels.begin_upload(heir, filename=wheel.name, sha256=digest)


async def test_upload_of_a_worker_that_died_makes_way_for_the_next_attempts(
    service: IndexService, tmp_path: Path
) -> None:
    wheels, claim = PostgresWheels(service.database), await service.claimed("orphan_thing")
    wheel = make_wheel(tmp_path, name="orphan_thing", version="1.0", body="made_at = 'noon'")
    orphan = hashlib.sha256(wheel.read_bytes()).hexdigest()
    index = worker_index(Settings(), service.database, service.backends)
    assert await wheels.begin_upload(claim, filename=wheel.name, sha256=orphan)
    await index.publish(wheel, sha256=orphan)
    again = make_wheel(tmp_path, name="orphan_thing", version="1.0", body="made_at = 'midnight'")
    digest = hashlib.sha256(again.read_bytes()).hexdigest()

    with pytest.raises(IndexConflictError):
        await index.publish(again, sha256=digest)
    await service.taken_over(claim)
    published = await index.publish(again, sha256=digest)

    held = [file.sha256 for file in await service.backends.storage.list_files() if file.filename == wheel.name]
    assert (published.sha256, held) == (digest, [digest])


async def test_recorded_wheel_never_makes_way(service: IndexService) -> None:
    wheel = await service.publish("recorded_thing")
    wheels, claim = PostgresWheels(service.database), await service.claimed("recorded_thing")
    assert await wheels.begin_upload(claim, filename=wheel.filename, sha256=wheel.sha256)
    await service.taken_over(claim)
    assert not await wheels.is_orphan(wheel.filename, sha256=wheel.sha256)
