"""schemathesis over the OpenAPI document: no input leads to a server error, or to an answer that is not documented.

The same examples at every run, valid ones and such as break the document's rules: many on the in-memory stores, a few
on PostgreSQL, which refuses texts that memory can hold.
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, cast
from unittest.mock import MagicMock

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.integration.served_api import ServedApi, served_api
from tests.unit.api.test_api_document import DOCUMENTED
from tests.unit.api_harness import ApiHarness, api_harness

from wheelyard.api.services import ApiServices
from wheelyard.assembly.service import make_app

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = settings(
    max_examples=10,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
FEW = settings(EXAMPLES, max_examples=4)


def is_breakable(operation: dict[str, Any]) -> bool:
    """Tell whether an operation's input has rules that can be broken."""
    parameters = operation.get("parameters", ())
    rules = [one["schema"] for one in parameters if one["in"] == "path" and len(one["schema"].keys() - {"title"}) > 1]
    return "requestBody" in operation or bool(rules) or any(one["in"] == "query" for one in parameters)


def breakable_operations() -> list[tuple[str, str]]:
    """List them as the document has them; making it needs no services."""
    paths = make_app(cast("ApiServices", MagicMock())).openapi()["paths"]
    found = [
        (method, path)
        for path, operations in cast("dict[str, Any]", paths).items()
        for method, operation in operations.items()
        if is_breakable(operation)
    ]
    assert len(found) > 15
    return found


BREAKABLE = breakable_operations()


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[ApiHarness]:
    async with api_harness(tmp_path) as made:
        # Followed logs end at once, whatever Accept header is tried.
        made.services.stopping.set()
        yield made


@pytest.mark.parametrize(("method", "path"), DOCUMENTED)
def test_valid_input_leads_to_documented_answers_only(harness: ApiHarness, method: str, path: str) -> None:
    assert try_inputs(harness, method, path, GenerationMode.POSITIVE)


@pytest.mark.parametrize(("method", "path"), BREAKABLE)
def test_broken_input_leads_to_documented_answers_only(harness: ApiHarness, method: str, path: str) -> None:
    assert 422 in try_inputs(harness, method, path, GenerationMode.NEGATIVE)


@pytest.fixture(scope="module")
def served(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedApi]:
    with pytest.MonkeyPatch.context() as patch, served_api(database_url, tmp_path_factory.mktemp("api"), patch) as api:
        yield api


@pytest.mark.parametrize(("method", "path"), DOCUMENTED)
def test_postgresql_leads_to_documented_answers_only(served: ServedApi, method: str, path: str) -> None:
    operation = schemathesis.openapi.from_url(f"{served.url}/openapi.json")[path][method.upper()]
    headers = {"Authorization": f"Bearer {served.token}"}
    modes = [GenerationMode.POSITIVE, *([GenerationMode.NEGATIVE] if (method, path) in BREAKABLE else [])]
    assert all(ask(operation, headers, mode, FEW) for mode in modes)


def try_inputs(harness: ApiHarness, method: str, path: str, mode: GenerationMode) -> set[int]:
    """Ask the API on the in-memory stores, and return the statuses there were."""
    operation = schemathesis.openapi.from_asgi("/openapi.json", make_app(harness.services))[path][method.upper()]
    return ask(operation, {"Authorization": harness.client.headers["Authorization"]}, mode, EXAMPLES)


def ask(operation: Any, headers: dict[str, str], mode: GenerationMode, examples: settings) -> set[int]:  # noqa: ANN401
    """Ask with generated input, check each answer against the document, and return the statuses there were."""
    statuses: set[int] = set()

    @examples
    @given(case=operation.as_strategy(generation_mode=mode))
    def try_case(case: Case[Any]) -> None:
        response = case.call(headers=headers)
        statuses.add(response.status_code)
        case.validate_response(response, checks=CHECKS, headers=headers)

    try_case()
    assert statuses
    return statuses
