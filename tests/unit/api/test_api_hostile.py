"""Hostile bodies and fields at the API: each is the caller's clear error, and never a server error."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
from tests.unit.api_harness import ApiHarness, assert_problem
from tests.unit.request_harness import request_harness

from wheelyard.api.scopes import SCOPES
from wheelyard.domain.access import Scope

REQUEST: Final = "/v1/requests/0e3c2b1a-5a5e-4a0e-9d62-5f3f5a7a8b11"
BODIES: Final = {
    "deep list": b"[" * 30_000,
    "deep table": b'{"a":' * 10_000,
    "digits": b'{"requirement": ' + b"9" * 5000 + b"}",
    "not a number": b'{"requirement": NaN}',
    "lone surrogate": b'{"requirement": "\\ud800", "file": "\\ud800", "name": "\\ud800"}',
    "not UTF-8": b'\xff\xfe{"a"',
    "large and deep": b" " * 100_000 + b"[" * 30_000,
    "fields": b"{" + b",".join(b'"a%d":1' % number for number in range(5000)) + b"}",
    "many fields": b"{" + b",".join(b'"a%d":1' % number for number in range(500_000)) + b"}",
    "values": b'{"requirement": [' + b",".join([b"1"] * 20_000) + b"]}",
    "files": b'{"files": {' + b",".join(b'"a%d":"x"' % number for number in range(101)) + b"}}",
    "large digits": b" " * 100_000 + b"9" * 5000,
}
PATHS: Final = ("/v1/builds", "/v1/requests", "/v1/requests/plan", f"{REQUEST}/lock", "/v1/tokens")
REQUIREMENTS: Final = {
    "parentheses": "a; " + "(" * 200 + "os_name == 'x'" + ")" * 200,
    "digits": "pyyaml==" + "9" * 450,
    "word": "pyyaml===anything",
    "prefix": "pyyaml===6.*",
}


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[ApiHarness]:
    async with request_harness(tmp_path) as made:
        yield made


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
async def test_hostile_body_is_the_callers_error(harness: ApiHarness, path: str, body: bytes) -> None:
    answer = await harness.client.post(path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in {400, 413, 422}, answer.text
    assert answer.json()["code"] in {"invalid-request", "request-too-large", "caller-error"}
    assert len(answer.content) < 5000  # an error for each field would be as long as the body, and as costly


async def test_query_of_thousands_of_parameters_is_refused_at_once(harness: ApiHarness) -> None:
    answer = await harness.client.get("/v1/builds?" + "&".join(f"a{number}=1" for number in range(101)))
    assert_problem(answer, 422, "invalid-request")
    assert "more than 100 parameters" in answer.json()["detail"]
    assert (await harness.client.get("/v1/builds?" + "&".join(["limit=1"] * 100))).status_code in {200, 422}


@pytest.mark.parametrize("requirement", REQUIREMENTS.values(), ids=REQUIREMENTS.keys())
async def test_hostile_requirement_is_refused_by_its_reason(harness: ApiHarness, requirement: str) -> None:
    answer = await harness.client.post("/v1/builds", json={"requirement": requirement})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-requirement")


@pytest.mark.parametrize("requirement", REQUIREMENTS.values(), ids=REQUIREMENTS.keys())
@pytest.mark.parametrize("start", ["requirements.txt", None])
async def test_hostile_line_of_a_request_is_refused(harness: ApiHarness, requirement: str, start: str | None) -> None:
    wanted: dict[str, object] = {"requirements": ["pyyaml", requirement]}
    if start is not None:
        wanted = {"file": start, "files": {start: f"pyyaml\n{requirement}\n"}}
    answer = await harness.client.post("/v1/requests/plan", json=wanted)
    assert (answer.status_code, answer.json()["code"]) == (422, "dependency-file-invalid"), answer.text
    assert requirement[:100] in answer.json()["detail"].replace('\\"', '"').replace("\\'", "'")
    assert start is None or f"{start}:2: " in answer.json()["detail"]


@pytest.mark.parametrize(
    "platform", ["manylinux_2_400000_x86_64", "manylinux_2_99_x86_64\n", "manylinux_3_17_x86_64", "manylinux_2_36_vax"]
)
@pytest.mark.parametrize("path", ["/v1/requests", "/v1/requests/plan"])
async def test_target_that_nothing_serves_is_refused_and_nothing_is_stored(
    harness: ApiHarness, path: str, platform: str
) -> None:
    answer = await harness.client.post(path, json={"requirements": ["pyyaml"], "platforms": [platform]})
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown-target")
    assert (await harness.client.get("/v1/requests")).json()["requests"] == []


async def test_targets_that_do_not_exist_do_not_multiply_the_lines(harness: ApiHarness) -> None:
    pythons = [f"3.{minor}" for minor in range(50, 74)]
    platforms = [f"manylinux_2_{minor}_x86_64" for minor in range(60, 84)]
    body = {"requirements": [f"p{number}" for number in range(50)], "pythons": pythons, "platforms": platforms}
    answer = await harness.client.post("/v1/requests", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown-target")
    assert len(answer.text) < 5000


def test_putting_wheels_into_a_lock_takes_more_than_a_token_that_only_reads() -> None:
    assert SCOPES["lock_request"] is Scope.REQUEST
