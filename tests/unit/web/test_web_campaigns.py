"""The pages of campaigns: the list with its form, a campaign with its projects, begin, stop."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from tests.contract.prebuild_contract import sample_campaign
from tests.contract.samples import TARGET
from tests.unit.web.test_web_pages import HOSTILE
from tests.unit.web_harness import WebHarness, web_harness
from tests.unit.wheel_harness import WheelHarness

from wheelyard.domain.access import Scope
from wheelyard.domain.campaigns.advice import Advice
from wheelyard.domain.dependencies.files import Origin
from wheelyard.domain.prebuilds.prebuild import Item, ItemStatus, Prebuild


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[WebHarness]:
    async with web_harness(tmp_path) as made:
        await made.sign_in()
        yield made


def item(project: str, status: ItemStatus, **changes: object) -> Item:
    origin = Origin(file="index")
    made = Item(project=canonicalize_name(project), version="1.0", target=TARGET, origin=origin, status=status)
    return replace(made, **changes)  # type: ignore[arg-type]


def campaign() -> Prebuild:
    advice = Advice(version="2.0", evidence=f"upstream has {HOSTILE}")
    failed = {"code": "build-failed", "reason": f"it broke {HOSTILE}", "hint": "mend it", "advice": advice}
    items = (
        item("ready", ItemStatus.PRESENT, filename="ready-1.0-py3-none-any.whl"),
        item("base", ItemStatus.FAILED, **failed),
        item("above", ItemStatus.WAITING, blocked_by="base", reason="it requires base"),
        item("later", ItemStatus.BUILD, reason="no wheel fits"),
    )
    return replace(sample_campaign(), items=items)


async def test_page_says_how_much_is_ready_what_blocks_and_what_would_work(harness: WebHarness) -> None:
    await harness.api.services.prebuilds.store.begin_campaign(campaign())
    listed = await harness.see("/campaigns")
    assert f"/campaigns/{campaign().id}" in listed.links
    assert "1 of 4" in listed.text
    page = await harness.see(f"/campaigns/{campaign().id}")
    words = " ".join(page.text.split())
    assert f"Python {TARGET.python}: 25 % ready" in words
    assert "1 project blocked" in words
    assert "base has no wheel for this Python" in words
    assert "2.0 would work: upstream has" in words
    assert "build-failed" in words
    assert "/wheels/ready-1.0-py3-none-any.whl" in page.links
    assert "<script>alert" not in (await harness.browser.get(f"/campaigns/{campaign().id}")).text
    only = await harness.see(f"/campaigns/{campaign().id}?state=failed")
    assert "above 1.0" not in " ".join(only.text.split())


async def test_campaign_is_begun_on_the_page_and_stopped_there(harness: WebHarness) -> None:
    WheelHarness(state=harness.api.state, prod=harness.api.held).put("pyyaml-6.0.3-cp311-cp311-linux_x86_64.whl")
    begun = await harness.send("/campaigns", python="3.13", platform="manylinux_2_36_x86_64")
    assert begun.status_code == 303, begun.text
    path = begun.headers["Location"]
    assert "pyyaml 6.0.3" in " ".join((await harness.see(path)).text.split())
    assert (await harness.send(f"{path}/stop")).status_code == 303
    assert "stopped" in (await harness.see(path)).text


async def test_text_of_a_file_is_taken_in_place_of_the_index(harness: WebHarness) -> None:
    harness.api.resolver.add("pyyaml", "6.0.3")
    begun = await harness.send("/campaigns", python="3.13", text="pyyaml==6.0.3", kind="requirements.txt")
    assert begun.status_code == 303, begun.text
    assert "from requirements.txt" in " ".join((await harness.see(begun.headers["Location"])).text.split())


@pytest.mark.parametrize("fields", [{"python": "3.6"}, {"python": "3.13", "text": "not a requirement"}, {}])
async def test_what_cannot_be_built_is_said_on_the_form(harness: WebHarness, fields: dict[str, str]) -> None:
    refused = await harness.send("/campaigns", **fields)
    assert refused.status_code == 422
    assert "This cannot be built" in refused.text


async def test_reader_sees_no_form_and_cannot_begin(harness: WebHarness) -> None:
    harness.api.services.tokens._new_secret = lambda: "readers"
    _, secret = await harness.api.services.tokens.create(name="reader", scope=Scope.READ, created_by="tests")
    await harness.sign_in(secret)
    harness.csrf = ""
    assert "Begin a campaign" not in (await harness.see("/campaigns")).text
    assert (await harness.send("/campaigns", python="3.13")).status_code == 403


@pytest.mark.parametrize("path", ["/campaigns?state=nonsense", "/campaigns?before=nonsense"])
async def test_filters_that_make_no_sense_are_refused(harness: WebHarness, path: str) -> None:
    await harness.see(path, status=422)


async def test_request_is_no_campaign(harness: WebHarness) -> None:
    await harness.see("/campaigns/0e3c2b1a-5a5e-4a0e-9d62-5f3f5a7a8b11", status=404)
