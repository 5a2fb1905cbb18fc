"""Pythons whose source cannot be reached: shown as such, refused with the reason, and left out of all else."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
from tests.unit.api.test_api_campaigns import begin, look, native, publish, row, states
from tests.unit.api.test_api_sdists import FORM, bring
from tests.unit.api_harness import ApiHarness, assert_problem
from tests.unit.request_harness import make_sdist
from tests.unit.web_harness import WebHarness, web_harness

from wheelyard.domain.catalogue.reach import PythonReach, SourceTry

TRIED: Final = SourceTry(url="https://mirror.test/Python-3.15.2.tar.xz", answer="it answered 404 Not Found")
LACKING: Final = ("3.15", "3.15t", "3.12")


@pytest.fixture
async def web(tmp_path: Path) -> AsyncIterator[WebHarness]:
    async with web_harness(tmp_path) as made:
        await made.sign_in()
        report(made.api)
        yield made


@pytest.fixture
def harness(web: WebHarness) -> ApiHarness:
    return web.api


def report(harness: ApiHarness) -> None:
    """Have a worker report that it cannot have some Pythons."""
    for target in harness.services.request_build.targets():
        suite = harness.services.request_build.suite_for(target)
        lacks = target.python in LACKING
        harness.pythons.append(
            PythonReach(
                architecture=target.policy.architecture,
                suite=suite,
                python=target.python,
                reachable=not lacks,
                version="" if lacks else f"{target.python.removesuffix('t')}.7",
                tried=(TRIED,) if lacks else (),
            )
        )


async def test_targets_say_what_was_tried(harness: ApiHarness) -> None:
    targets = (await harness.client.get("/v1/targets")).json()
    found = {one["python"]: one for one in targets if one["platform"] == "manylinux_2_36_x86_64"}
    assert {python for python, one in found.items() if not one["reachable"]} == set(LACKING)
    assert (found["3.13"]["release"], found["3.13"]["problem"]) == ("3.13.7", None)
    problem = found["3.15"]["problem"]
    assert problem["code"] == "source-unreachable"
    assert problem["tried"] == [{"url": TRIED.url, "answer": TRIED.answer}]
    assert "WHEELYARD_PYTHON_MIRROR" in problem["hint"]


async def test_request_for_one_is_refused_with_the_reason(harness: ApiHarness) -> None:
    answer = await harness.client.post("/v1/builds", json={"requirement": "pyyaml", "python": "3.15"})
    assert_problem(answer, 422, "source-unreachable")
    assert answer.json()["context"]["tried"] == [str(TRIED)]
    assert (await harness.client.get("/v1/builds")).json()["builds"] == []


async def test_application_for_one_is_refused_unless_upstreams_wheels_serve_it(harness: ApiHarness) -> None:
    wanted = {"requirements": ["pyyaml==6.0.3"], "pythons": ["3.15"]}
    refused = await harness.client.post("/v1/requests", json={**wanted, "prefer": "own"})
    assert_problem(refused, 422, "source-unreachable")
    harness.resolver.add("pyyaml", "6.0.3")
    created = await harness.client.post("/v1/requests", json={**wanted, "prefer": "upstream"})
    assert created.status_code == 202, created.text
    await harness.services.prebuilds.advance.once()
    request = (await harness.client.get(f"/v1/requests/{created.json()['id']}")).json()
    assert request["finished_at"] is not None  # it is not tried again and again
    assert "The source of Python 3.15 cannot be reached" in str(request)


async def test_sdist_for_all_targets_leaves_them_out(harness: ApiHarness) -> None:
    assert (await bring(harness)).status_code in {200, 202}
    (request,) = await harness.services.prebuilds.newest(limit=2)
    assert {target.python for target in request.targets} == {"3.14", "3.13", "3.11"}


async def test_sdist_for_a_named_one_is_refused_with_the_reason(harness: ApiHarness) -> None:
    answer = await bring(harness, {**FORM, "pythons": "3.15"})
    assert answer.status_code in {400, 422}
    assert "cannot be reached" in answer.text


async def test_pages_show_them(web: WebHarness) -> None:
    builders = await web.see("/builders")
    assert "source-unreachable" in builders.text
    assert TRIED.url in builders.text
    form = await web.see("/request")
    assert "Python 3.15 on manylinux_2_36_x86_64 (source unreachable)" in form.text


async def test_project_has_a_column_for_each_python_that_can_be_had(web: WebHarness) -> None:
    await web.api.submit("pyyaml")
    page = await web.see("/projects/pyyaml")
    assert "Python 3.14" in page.text
    assert "Python 3.15" not in page.text


async def test_campaign_for_one_builds_nothing_until_it_can_be_had(web: WebHarness) -> None:
    harness = web.api
    publish(harness, "compiled", native("3.13"))
    claim = "Classifier: Programming Language :: Python :: 3.15"
    harness.source.add("compiled-1.1.tar.gz", make_sdist("compiled-1.1", claim))
    for answer in (
        await harness.client.post("/v1/campaigns", json={"python": "3.15", "prefer": "own"}),
        await web.send("/campaigns", python="3.15", prefer="own"),
    ):
        assert answer.status_code == 422
        assert "cannot be reached" in answer.text
    campaign = await begin(harness, python="3.15")
    view = await look(harness, campaign)
    assert (row(view, "compiled")["state"], row(view, "compiled")["code"]) == ("failed", "source-unreachable")
    assert row(view, "compiled")["would_work"] is None  # the release is not at fault
    harness.pythons.clear()
    assert states(await look(harness, campaign)) == {"compiled": "waiting"}
