"""The OpenAPI document is valid and complete, and its page asks no third party anything."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate
from pydantic import TypeAdapter
from tests.unit.api_harness import ApiHarness, api_harness

from wheelyard.api.builders import BuilderView
from wheelyard.api.schemas.builds import BuildView, SubmittedBuildView
from wheelyard.api.schemas.packages import FilePackagesView
from wheelyard.api.scopes import needed_scope

EXAMPLES = {
    "build": BuildView,
    "submitted": SubmittedBuildView,
    "builders": list[BuilderView],
    "packages": FilePackagesView,
}
"""What each example is of, by the first word of its name."""
DOCUMENTED = {
    ("post", "/v1/builds"): {200, 202, 401, 403, 413, 422, 429, 500, 502, 503, 507},
    ("get", "/v1/builds"): {200, 401, 403, 422, 429, 500, 503},
    ("get", "/v1/builds/{build_id}"): {200, 401, 403, 404, 429, 500, 503},
    ("post", "/v1/builds/{build_id}/cancel"): {202, 401, 403, 404, 429, 500, 503},
    ("post", "/v1/builds/{build_id}/retry"): {200, 202, 401, 403, 404, 429, 500, 503},
    ("post", "/v1/builds/retry"): {202, 401, 403, 413, 422, 429, 500, 503},
    ("get", "/v1/builds/{build_id}/log"): {200, 401, 403, 404, 422, 429, 500, 503},
    ("post", "/v1/builds/local"): {200, 202, 400, 401, 403, 413, 422, 429, 500, 503, 507},
    ("post", "/v1/files"): {200, 202, 400, 401, 403, 409, 413, 422, 429, 500, 503, 507},
    ("get", "/v1/files"): {200, 401, 403, 422, 429, 500, 503},
    ("get", "/v1/files/{filename}"): {200, 401, 403, 404, 429, 500, 503},
    ("delete", "/v1/projects/{name}/ownership"): {200, 401, 403, 404, 409, 422, 429, 500, 503},
    ("get", "/v1/targets"): {200, 401, 403, 429, 500, 503},
    ("get", "/v1/builders"): {200, 401, 403, 429, 500, 503},
    ("get", "/v1/suites/{suite}/packages"): {200, 401, 403, 404, 422, 429, 500, 503},
    ("get", "/v1/tokens"): {200, 401, 403, 429, 500, 503},
    ("post", "/v1/tokens"): {201, 401, 403, 413, 422, 429, 500, 503},
    ("post", "/v1/tokens/{token_id}/revoke"): {200, 401, 403, 404, 429, 500, 503},
    ("get", "/v1/audit"): {200, 401, 403, 422, 429, 500, 503},
    ("get", "/v1/recipes"): {200, 401, 403, 429, 500, 503},
    ("get", "/v1/recipes/{name}"): {200, 401, 403, 404, 429, 500, 503},
    ("put", "/v1/recipes/{name}"): {200, 401, 403, 409, 413, 422, 429, 500, 503},
    ("delete", "/v1/recipes/{name}"): {200, 401, 403, 404, 409, 422, 429, 500, 503},
    ("get", "/v1/recipes/{name}/history"): {200, 401, 403, 422, 429, 500, 503},
    ("post", "/v1/recipes/{name}/adopt"): {200, 401, 403, 404, 409, 413, 422, 429, 500, 503},
    ("get", "/v1/recipes/schema.json"): {200},
    ("get", "/v1/workers"): {200, 401, 403, 429, 500, 503},
    ("get", "/v1/wheels"): {200, 401, 403, 422, 429, 500, 503},
    ("get", "/v1/wheels/{filename}"): {200, 401, 403, 404, 422, 429, 500, 503},
    ("delete", "/v1/wheels/{filename}"): {200, 401, 403, 404, 422, 429, 500, 502, 503},
    ("post", "/v1/wheels/{filename}/yank"): {200, 401, 403, 404, 422, 429, 500, 503},
    ("post", "/v1/wheels/{filename}/unyank"): {200, 401, 403, 404, 422, 429, 500, 503},
    ("post", "/v1/wheels/{filename}/promote"): {200, 401, 403, 404, 422, 429, 500, 502, 503},
    ("get", "/v1/wheels/{filename}/contents"): {200, 401, 403, 404, 422, 429, 500, 503},
    ("get", "/v1/wheels/{filename}/sources"): {200, 401, 403, 404, 422, 429, 500, 503},
    ("get", "/v1/index/report"): {200, 401, 403, 404, 429, 500, 503},
    ("get", "/v1/queue"): {200, 401, 403, 422, 429, 500, 503},
    ("get", "/v1/statistics"): {200, 401, 403, 422, 429, 500, 503},
    ("get", "/v1/projects"): {200, 401, 403, 422, 429, 500, 503},
    ("get", "/v1/projects/{name}"): {200, 401, 403, 404, 422, 429, 500, 503},
    ("post", "/v1/index/check"): {200, 401, 403, 422, 429, 500, 502, 503},
    ("get", "/simple/"): {200, 304, 401, 403, 406, 429, 500, 503},
    ("post", "/simple/"): {400, 401, 403, 429, 500, 503},
    ("get", "/simple/{project}/"): {200, 301, 304, 401, 403, 404, 406, 429, 500, 503},
    ("get", "/simple/namespaces"): {200, 304, 401, 403, 429, 500, 503},
    ("get", "/simple/namespace/{namespace}"): {200, 304, 401, 403, 404, 429, 500, 503},
    ("get", "/staging/simple/"): {200, 304, 401, 403, 406, 429, 500, 503},
    ("get", "/staging/simple/{project}/"): {200, 301, 304, 401, 403, 404, 406, 429, 500, 503},
    ("get", "/own/simple/"): {200, 304, 401, 403, 406, 429, 500, 503},
    ("get", "/own/simple/{project}/"): {200, 301, 304, 401, 403, 404, 406, 429, 500, 503},
    ("get", "/files/{filename}"): {200, 401, 403, 404, 429, 500, 503},
    ("get", "/integrity/{project}/{version}/{filename}/provenance"): {200, 304, 401, 403, 404, 429, 500, 503},
    ("get", "/integrity/authority.pem"): {200, 401, 403, 429, 500, 503},
    ("get", "/integrity/revoked.pem"): {200, 401, 403, 429, 500, 503},
    ("post", "/v1/requests/plan"): {200, 401, 403, 413, 422, 429, 500, 503, 507},
    ("post", "/v1/requests"): {202, 401, 403, 413, 422, 429, 500, 503, 507},
    ("get", "/v1/requests"): {200, 401, 403, 422, 429, 500, 503},
    ("get", "/v1/requests/{request_id}"): {200, 401, 403, 404, 429, 500, 503},
    ("post", "/v1/requests/{request_id}/cancel"): {200, 401, 403, 404, 429, 500, 503},
    ("post", "/v1/requests/{request_id}/lock"): {200, 401, 403, 404, 413, 422, 429, 500, 503},
    ("post", "/v1/requests/webhook-secret"): {200, 401, 403, 413, 422, 429, 500, 503},
    ("get", "/v1/requests/{request_id}/events"): {200, 401, 403, 404, 429, 500, 503},
    ("post", "/v1/campaigns"): {202, 401, 403, 413, 422, 429, 500, 503, 507},
    ("get", "/v1/campaigns"): {200, 401, 403, 422, 429, 500, 503},
    ("get", "/v1/campaigns/{campaign_id}"): {200, 401, 403, 404, 429, 500, 503},
    ("post", "/v1/campaigns/{campaign_id}/stop"): {200, 401, 403, 404, 429, 500, 503},
    ("get", "/metrics"): {200, 401, 403, 429, 500, 503},
    ("get", "/healthz"): {200},
    ("get", "/readyz"): {200, 503},
}


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[ApiHarness]:
    async with api_harness(tmp_path) as made:
        yield made


@pytest.fixture
async def document(harness: ApiHarness) -> dict[str, Any]:
    return dict((await harness.client.get("/openapi.json")).json())


async def test_document_is_valid(document: dict[str, Any]) -> None:
    validate(document)


async def test_every_status_of_every_route_is_documented(document: dict[str, Any]) -> None:
    found = {
        (method, path): {int(status) for status in operation["responses"]}
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    assert found == DOCUMENTED


async def test_problems_have_their_media_type_and_an_example_of_each_code(document: dict[str, Any]) -> None:
    for operations in document["paths"].values():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    content = response["content"]["application/problem+json"]
                    assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
                    assert all(one["value"]["status"] == int(status) for one in content["examples"].values())
    unprocessable = document["paths"]["/v1/builds"]["post"]["responses"]["422"]
    assert set(unprocessable["content"]["application/problem+json"]["examples"]) == {
        "invalid-request",
        "invalid-requirement",
        "unknown-project",
        "no-matching-version",
        "no-sdist",
        "unknown-target",
        "release-unsupported",
        "own-project",
        "git-source-invalid",
        "git-host-refused",
        "git-ref-unknown",
        "git-project-unknown",
        "git-source-refused",
    }


async def test_everything_under_v1_declares_the_token(document: dict[str, Any]) -> None:
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    for path, operations in document["paths"].items():
        needs_token = path.startswith("/v1/") or path == "/metrics"
        is_public = not needs_token or path == "/v1/recipes/schema.json"
        for operation in operations.values():
            scope = needed_scope(operation["operationId"]).value
            assert operation.get("security") == (None if is_public else [{"token": [scope]}])
            assert (f"Needs the scope `{scope}`." in operation["description"]) is not is_public


async def test_every_field_that_is_not_plain_has_a_description(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert "stable code" in schemas["FailureView"]["properties"]["code"]["description"].lower()
    assert "HTTPValidationError" not in schemas
    for name in ("NewBuild", "ListQuery", "Problem"):
        properties = schemas.get(name, {"properties": {}})["properties"]
        assert all("description" in one or "$ref" in one for one in properties.values()), name


async def test_examples_are_true_to_the_schema(document: dict[str, Any]) -> None:
    for name, example in document["components"]["examples"].items():
        schema = TypeAdapter[Any](EXAMPLES[name.partition("-")[0]])
        shown = schema.dump_python(schema.validate_python(example["value"]), mode="json")
        assert keys_of(shown) == keys_of(example["value"]), name
        assert f'"#/components/examples/{name}"' in json.dumps(document["paths"])


def keys_of(value: Any) -> Any:  # noqa: ANN401  it is whatever JSON says
    """Give what is left of a JSON value without its texts and numbers."""
    if isinstance(value, dict):
        return {key: keys_of(one) for key, one in value.items()}
    return [keys_of(one) for one in value] if isinstance(value, list) else None


async def test_choice_of_the_accepting_status_is_explained(document: dict[str, Any]) -> None:
    assert "not 201" in document["paths"]["/v1/builds"]["post"]["description"]


async def test_page_and_all_that_it_loads_come_from_here(harness: ApiHarness) -> None:
    harness.client.headers.clear()
    page = await harness.client.get("/docs")
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "//" not in page.text
    loaded = re.findall(r'(?:src|href)="([^":]+)"', page.text)
    assert "./" in loaded, "the way back to the pages"
    loaded.remove("./")
    assert len(loaded) == 4
    for path in loaded:
        assert (await harness.client.get(f"/{path}")).status_code == 200, path


async def test_document_has_no_address_of_its_own(document: dict[str, Any]) -> None:
    assert "localhost" not in json.dumps(document)
