"""Provenance objects over HTTP: where pages lead, the media type, caching, and what is not found."""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.api_harness import ApiHarness, api_harness, assert_problem
from tests.unit.wheel_harness import WheelHarness

WHEEL = "demo-1.0-1-py3-none-any.whl"
PROVENANCE = b'{"version":1,"attestation_bundles":[]}'
JSON = {"Accept": "application/vnd.pypi.simple.v1+json"}


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[ApiHarness]:
    async with api_harness(tmp_path) as made:
        WheelHarness(state=made.state, prod=made.held).put(WHEEL)
        entry = made.state.wheels[WHEEL]
        digest = hashlib.sha256(PROVENANCE).hexdigest()
        signed = replace(entry, provenance=PROVENANCE, wheel=replace(entry.wheel, provenance_sha256=digest))
        made.state.put_wheel(signed)
        yield made


async def test_page_leads_to_the_provenance_and_it_is_answered_with_its_etag(harness: ApiHarness) -> None:
    for index in ("/simple", "/own/simple", "/staging/simple"):
        page = await harness.client.get(f"{index}/demo/", headers=JSON)
        (file,) = page.json()["files"]
        answer = await harness.client.get(page.url.join(file["provenance"]))
        assert answer.content == PROVENANCE
        assert answer.headers["Content-Type"] == "application/vnd.pypi.integrity.v1+json"
    html = await harness.client.get("/simple/demo/")
    assert f'data-provenance="{file["provenance"].removeprefix("../")}"' in html.text
    known = await harness.client.get(answer.url, headers={"If-None-Match": answer.headers["ETag"]})
    assert (known.status_code, known.content) == (304, b"")


@pytest.mark.parametrize(
    "path",
    [f"other/1.0/{WHEEL}", f"demo/2.0/{WHEEL}", "demo/1.0/demo-1.0-2-py3-none-any.whl", "demo/1.0/x%00y", "demo/zz/a"],
)
async def test_what_does_not_belong_together_is_not_found(harness: ApiHarness, path: str) -> None:
    answer = await harness.client.get(f"/integrity/{path}/provenance")
    assert_problem(answer, 404, "not-found")


async def test_without_an_authority_there_are_no_certificates(harness: ApiHarness) -> None:
    for name in ("authority.pem", "revoked.pem"):
        answer = await harness.client.get(f"/integrity/{name}")
        assert (answer.status_code, answer.content) == (200, b"")
