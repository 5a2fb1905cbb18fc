"""Sdists that others bring over HTTP: checked as data, stored with the request for their wheels, listed with them."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from packaging.utils import canonicalize_name
from tests.contract.samples import TARGET, sample_failure
from tests.contract.sdist_upload_contract import built
from tests.fakes.own_projects import ForbiddenUpstream
from tests.unit.api.test_api_files import _bearer, push, send
from tests.unit.api_harness import ApiHarness, api_harness, assert_problem
from tests.unit.sdist_files import PKG_INFO, SDIST, SETUP, pack_sdist, zip_sdist

from wheelyard.adapters.resolver.own_projects import OwnSource
from wheelyard.domain.access import Scope
from wheelyard.domain.builds.build import Build, Status
from wheelyard.domain.builds.records import Outcome
from wheelyard.errors import NotFoundError
from wheelyard.usecases.manage_wheels import PublishSdists

CONTENT = pack_sdist()
SHA256 = hashlib.sha256(CONTENT).hexdigest()
FORM = {
    ":action": "file_upload",
    "protocol_version": "1",
    "name": "demo",
    "version": "1.0",
    "filetype": "sdist",
    "pyversion": "source",
    "sha256_digest": SHA256,
}
WHEEL = "demo-1.0-1.bookworm-cp313-cp313-manylinux_2_36_x86_64.whl"
DEMO = canonicalize_name("demo")


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[ApiHarness]:
    async with api_harness(tmp_path) as made:
        yield made


async def bring(harness: ApiHarness, form: Mapping[str, Any] = FORM, **changes: Any) -> httpx.Response:  # noqa: ANN401
    return await send(harness, form, **{"name": SDIST, "content": CONTENT, **changes})


async def view(harness: ApiHarness, filename: str = SDIST) -> dict[str, Any]:
    return dict((await harness.client.get(f"/v1/files/{filename}")).json())


async def queued(harness: ApiHarness) -> list[Build]:
    """Let the request start what it can; return the builds that wait for a worker."""
    await harness.services.prebuilds.advance.once()
    return [one.build for one in harness.state.records.values() if one.build.status is Status.QUEUED]


async def end(harness: ApiHarness, build: Build, outcome: Outcome) -> None:
    assert await harness.attempts.finish(await harness.claim(build.id), outcome)
    await harness.services.prebuilds.advance.once()


def publisher(harness: ApiHarness) -> PublishSdists:
    prebuilds = harness.services.prebuilds
    return PublishSdists(
        sdists=own_source_of(harness)._sdists,
        wheels=prebuilds.wheels,
        source=own_source_of(harness),
        indexes=dict(harness.services.index.manage._indexes),
        now=prebuilds.now,
    )


def own_source_of(harness: ApiHarness) -> OwnSource:
    source = harness.services.request_build._source
    assert isinstance(source, OwnSource)
    return source


async def test_sdist_of_upload_tools_is_accepted_and_its_wheels_are_requested(harness: ApiHarness) -> None:
    answer = await bring(harness)
    assert answer.status_code == 202, answer.text
    found = await view(harness)
    assert f"/requests/{found['request_id']}" in answer.text
    assert (found["state"], found["build_id"], found["wheels"]) == ("pending", None, [])
    request = (await harness.client.get(found["request_url"])).json()
    assert {item["project"] for item in request["items"]} == {"demo"}
    ordinary = [one for one in harness.services.request_build.targets() if not one.is_free_threaded]
    assert len(request["items"]) == found["open_targets"] == len(ordinary)


async def test_first_wheel_publishes_the_sdist_with_the_same_bytes(harness: ApiHarness) -> None:
    await bring(harness, {**FORM, "pythons": ["3.13"], "platforms": [TARGET.platform]})
    (build,) = await queued(harness)
    assert (build.order.sdist.url, build.order.sdist.sha256) == (f"sdist:{SDIST}", SHA256)
    assert build.order.target == TARGET
    path = await own_source_of(harness).fetch((await own_source_of(harness).project(DEMO)).files[0])
    assert path.read_bytes() == CONTENT
    assert await harness.services.uploads.store.drop_chunks(days=1) == 0
    assert not await publisher(harness).once()
    await end(harness, build, built())
    assert (await view(harness))["state"] == "pending"
    assert await publisher(harness).once()
    found = await view(harness)
    assert (found["state"], found["wheels"], found["is_done"]) == ("published", [WHEEL], True)
    answer = await bring(harness)
    assert (answer.status_code, WHEEL in answer.text) == (200, True)
    assert (await push(harness, name=SDIST, content=CONTENT)).status_code == 200
    page = (await harness.client.get("/simple/demo/", headers={"Accept": "application/vnd.pypi.simple.v1+json"})).json()
    assert {one["filename"]: one["hashes"]["sha256"] for one in page["files"]}[SDIST] == SHA256
    assert await harness.services.uploads.store.drop_chunks(days=1) == 1


async def test_failure_of_every_target_refuses_it_with_the_builds_reason(harness: ApiHarness) -> None:
    await bring(harness)
    while builds := await queued(harness):
        for build in builds:
            await end(harness, build, Outcome(status=Status.FAILED, failure=sample_failure()))
    found = await view(harness)
    assert (found["state"], found["failure"]["code"]) == ("refused", sample_failure().code)
    with pytest.raises(Exception, match="is refused") as caught:
        await harness.services.uploads.bring.wait(await harness.services.uploads.store.find(SDIST), seconds=0)
    assert sample_failure().summary in str(caught.value)
    assert getattr(caught.value, "build", None) == found["build_id"]
    fixed = pack_sdist({**SETUP, "demo-1.0/fixed.py": b""})
    assert (await push(harness, name=SDIST, content=fixed)).status_code == 202


async def test_wait_ends_with_the_publication_of_the_sdist(harness: ApiHarness) -> None:
    await bring(harness)
    upload = await harness.services.uploads.store.find(SDIST)
    waiting = asyncio.ensure_future(harness.services.uploads.bring.wait(upload, seconds=20))
    (build, *_) = await queued(harness)
    await end(harness, build, built())
    assert await publisher(harness).once()
    done = await asyncio.wait_for(waiting, timeout=10)
    assert done.wheels == (WHEEL,)


async def test_project_is_our_own_from_then_on_and_upstream_is_asked_for_nothing_of_it(harness: ApiHarness) -> None:
    harness.source.add("demo-9.0.tar.gz", b"a stranger's")
    source = own_source_of(harness)
    assert [one.filename for one in (await source.project(DEMO)).files] == ["demo-9.0.tar.gz"]
    await bring(harness)
    source._upstream = ForbiddenUpstream()
    assert [one.filename for one in (await source.project(DEMO)).files] == [SDIST]
    (build, *_) = await queued(harness)
    assert build.order.version == "1.0"
    answer = await harness.client.post("/v1/builds", json={"requirement": "demo>=9"})
    assert_problem(answer, 422, "no-matching-version")
    for _ in range(100):
        for one in await queued(harness):
            await end(harness, one, Outcome(status=Status.FAILED, failure=sample_failure()))
    assert (await view(harness))["state"] == "refused"
    assert [one.filename for one in (await source.project(DEMO)).files] == [SDIST], "a refusal gives no name back"


async def test_zip_sdist_is_accepted(harness: ApiHarness) -> None:
    assert (await push(harness, name="demo-1.0.zip", content=zip_sdist())).status_code == 202


@pytest.mark.parametrize(
    ("claim", "says"),
    [
        ({"sha256_digest": "ab" * 32}, "its sha256 is"),
        ({"name": "other"}, "the file is of demo"),
        ({"version": "2.0"}, "the file has the version 1.0"),
        ({"filetype": "bdist_wheel"}, "the file is an sdist"),
        ({"pyversion": "cp313"}, "the file is an sdist"),
        ({"pythons": ["3.13"] * 51}, "51 fields pythons"),
    ],
)
async def test_form_that_is_not_true_of_its_sdist_is_refused(
    harness: ApiHarness, claim: Mapping[str, Any], says: str
) -> None:
    answer = await bring(harness, {**FORM, **claim})
    assert (answer.status_code, says in answer.text, "[upload-invalid]" in answer.text) == (400, True, True), (
        answer.text
    )
    await assert_nothing_is_stored(harness)


async def assert_nothing_is_stored(harness: ApiHarness) -> None:
    assert (await harness.client.get(f"/v1/files/{SDIST}")).status_code == 404
    assert harness.state.brought_parts == {}
    assert harness.state.sdists == {}
    assert await harness.services.prebuilds.newest(limit=1) == ()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"no archive", "it cannot be read"),
        (CONTENT[:-30], "it cannot be read"),
        (pack_sdist(metadata=None), "no file PKG-INFO"),
        (pack_sdist({**SETUP, "other/a.py": b""}), "several top-level folders"),
        (pack_sdist({**SETUP, "demo-1.0/./PKG-INFO": PKG_INFO}), "2 files PKG-INFO"),
        (pack_sdist({**SETUP, "demo-1.0/../../evil": b""}), "leads outside"),
        (pack_sdist(metadata=PKG_INFO.replace(b"demo", b"other")), "its PKG-INFO says other 1.0"),
        (pack_sdist(metadata=PKG_INFO.replace(b"1.0", b"2.0")), "its PKG-INFO says demo 2.0"),
        (pack_sdist(metadata=b"Metadata-Version: 2.4\n"), "its PKG-INFO says no release"),
        (pack_sdist(metadata=b"Name: demo\nVersion: 1." + b"0" * 5000), "its PKG-INFO says demo 1.000"),
    ],
)
async def test_sdist_whose_parts_do_not_agree_is_refused(harness: ApiHarness, content: bytes, says: str) -> None:
    answer = await bring(harness, {":action": "file_upload"}, content=content)
    assert answer.status_code == 400
    assert says in answer.text
    assert "[invalid-sdist]" in answer.text
    assert "python -m build --sdist" in answer.text
    assert_problem(await push(harness, name=SDIST, content=content), 422, "invalid-sdist")
    await assert_nothing_is_stored(harness)


async def test_names_and_versions_need_not_be_normalised(harness: ApiHarness) -> None:
    metadata = b"Metadata-Version: 2.1\nName: De.Mo\nVersion: 1.0.0-rc1\n"
    content = pack_sdist({"De.Mo-1.0.0rc1/PKG-INFO": metadata}, metadata=None)
    form = {"name": "De.Mo", "version": "1.0.0-rc1", "filetype": "sdist"}
    assert (await bring(harness, form, name="de_mo-1.0.0rc1.tar.gz", content=content)).status_code == 202
    found = await view(harness, "de_mo-1.0.0rc1.tar.gz")
    assert (found["project"], found["version"]) == ("de-mo", "1.0.0rc1")


@pytest.mark.parametrize("query", [{"pythons": "3.4"}, {"platforms": "manylinux_2_5_x86_64"}])
async def test_target_that_there_is_not_is_refused_before_anything_is_stored(
    harness: ApiHarness, query: dict[str, str]
) -> None:
    assert_problem(await push(harness, name=SDIST, content=CONTENT, **query), 422, "unknown-target")
    await assert_nothing_is_stored(harness)


async def test_sdist_for_no_python_that_there_is_is_refused(harness: ApiHarness) -> None:
    content = pack_sdist(metadata=PKG_INFO + b"Requires-Python: <3\n")
    assert_problem(await push(harness, name=SDIST, content=content), 422, "no-target-fits")
    await assert_nothing_is_stored(harness)


async def test_targets_are_not_for_wheels(harness: ApiHarness) -> None:
    answer = await send(harness, {":action": "file_upload", "pythons": "3.13"})
    assert (answer.status_code, "targets are named for an sdist" in answer.text) == (400, True)


async def test_other_sdist_of_the_release_is_a_conflict(harness: ApiHarness) -> None:
    await bring(harness)
    other = pack_sdist({**SETUP, "demo-1.0/other.py": b""})
    answer = await bring(harness, {":action": "file_upload"}, content=other)
    assert answer.status_code == 409
    assert_problem(await push(harness, name="demo-1.0.zip", content=zip_sdist()), 409, "upload-conflict")
    assert len([parts for parts in harness.state.brought_parts.values() if parts]) == 1


async def test_token_publishes_sdists_of_its_own_projects_only(harness: ApiHarness) -> None:
    headers = await _bearer(harness, Scope.PUBLISH, "acme-*")
    answer = await bring(harness, headers=headers)
    assert (answer.status_code, "[publish-forbidden]" in answer.text) == (403, True)
    await assert_nothing_is_stored(harness)
    metadata = b"Metadata-Version: 2.4\nName: acme-demo\nVersion: 1.0\n"
    content = pack_sdist({"acme_demo-1.0/PKG-INFO": metadata}, metadata=None)
    taken = await bring(harness, {}, name="acme_demo-1.0.tar.gz", content=content, headers=headers)
    assert taken.status_code == 202
    assert (await view(harness, "acme_demo-1.0.tar.gz"))["uploaded_by"].startswith("ci (")


async def test_upload_that_another_took_the_name_of_while_it_waited_is_told_as_it_was(harness: ApiHarness) -> None:
    await bring(harness)
    upload = await harness.services.uploads.store.find(SDIST)
    gone = replace(upload, id="another")
    assert await harness.services.uploads.bring.wait(gone, seconds=0.05) == gone
    with pytest.raises(NotFoundError):
        await harness.services.uploads.store.find("other-1.0.tar.gz")


async def test_operator_gives_the_name_back_to_upstream(harness: ApiHarness) -> None:
    await bring(harness)
    source = own_source_of(harness)
    assert (await source.project(DEMO)).files
    path = "/v1/projects/Demo/ownership"
    assert_problem(await harness.client.delete(f"{path}?confirm=demo"), 422, "invalid-request")
    assert_problem(await harness.client.delete(f"{path}?confirm=Demo"), 409, "ownership-held")
    while builds := await queued(harness):
        for one in builds:
            await end(harness, one, Outcome(status=Status.FAILED, failure=sample_failure()))
    answer = await harness.client.delete(f"{path}?confirm=Demo")
    assert (answer.status_code, answer.json()) == (200, {"project": "demo", "sdists": [SDIST]})
    assert await source._names.refusal_of(DEMO) is None
    assert_problem(await harness.client.delete(f"{path}?confirm=Demo"), 404, "not-found")


async def test_name_of_an_operators_pattern_stays_own(harness: ApiHarness) -> None:
    answer = await harness.client.delete("/v1/projects/acme-codec/ownership?confirm=acme-codec")
    assert_problem(answer, 409, "ownership-held")
    assert "WHEELYARD_OWN_PROJECTS has the pattern 'acme-*'" in answer.json()["detail"]
