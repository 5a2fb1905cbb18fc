"""Pages of the queue, requests, the index, statistics and images; suggestions; and the API's figures behind them."""

import hashlib
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from packaging.utils import canonicalize_name
from tests.contract.prebuild_contract import sample_prebuild
from tests.unit.web.test_web_pages import HOSTILE
from tests.unit.web_harness import WebHarness, furnish, web_harness
from tests.unit.web_images import sample_builder, sample_image

from wheelyard.domain.access import Scope
from wheelyard.domain.builds.records import Token
from wheelyard.domain.catalogue.status import BuilderStatus
from wheelyard.domain.dependencies.files import Origin, Skipped
from wheelyard.domain.prebuilds.prebuild import ItemStatus
from wheelyard.usecases.tokens import PREFIX, Tokens


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[WebHarness]:
    async with web_harness(tmp_path) as made:
        await made.sign_in()
        yield made


async def test_queue_has_the_order_and_an_estimate(harness: WebHarness) -> None:
    await furnish(harness)
    running = await harness.api.submit("lxml")
    await harness.api.claim(running)
    harness.api.source.add("pyyaml-5.4.tar.gz", b"old")
    waiting = await harness.api.submit("pyyaml==5.4")
    page = await harness.see("/queue")
    assert (f"/builds/{running}" in page.links, f"/builds/{waiting}" in page.links) == (True, True)
    assert "interactive now" in " ".join(page.text.split())
    build = await harness.see(f"/builds/{waiting}")
    assert "Position 1 in the queue" in " ".join(build.text.split())
    document = (await harness.api.client.get("/v1/queue")).json()
    assert [one["id"] for one in document["running"]] == [running]
    (place,) = document["waiting"]
    assert (place["id"], place["position"], place["has_worker"], document["total"]) == (waiting, 1, True, 1)
    assert place["wait_seconds"] is not None


async def test_requests_are_listed_looked_at_and_cancelled(harness: WebHarness) -> None:
    prebuild = sample_prebuild()
    await harness.api.services.prebuilds.store.create(prebuild)
    listed = await harness.see("/requests?state=open")
    assert f"/requests/{prebuild.id}" in listed.links
    assert "0 of 1" in listed.text
    page = await harness.see(f"/requests/{prebuild.id}")
    assert "pyyaml 6.0.3" in page.text
    assert "it is editable" in page.text
    assert (await harness.send(f"/requests/{prebuild.id}/cancel")).status_code == 303
    assert f"/requests/{prebuild.id}" not in (await harness.see("/requests?state=open")).links
    assert f"/requests/{prebuild.id}" in (await harness.see("/requests?state=cancelled")).links
    assert page.find("form", action=f"/requests/{prebuild.id}/cancel")
    after = await harness.see(f"/requests/{prebuild.id}")
    assert after.find("form", action=f"/requests/{prebuild.id}/cancel") == []
    document = (await harness.api.client.get("/v1/requests?state=cancelled")).json()
    assert ([one["id"] for one in document["requests"]], document["next"]) == ([prebuild.id], None)
    for path in ("/requests?state=x", "/requests?before=x", f"/requests/{prebuild.id}?status=x"):
        await harness.see(path, 422)
    await harness.see("/requests/x", 404)


@pytest.mark.parametrize("path", ["/", "/builds", "/queue", "/projects/lxml", "/recipes/lxml", "/requests/{request}"])
async def test_failure_says_why_and_what_to_do_and_where_its_log_is_wherever_it_is_listed(
    harness: WebHarness, path: str
) -> None:
    build_id = await harness.failed("lxml")
    failure = (await harness.api.builds.get(build_id)).failure
    assert failure is not None
    (item,) = sample_prebuild().items
    item = replace(item, status=ItemStatus.FAILED, reason=failure.summary, hint=failure.hint, build_id=build_id)
    prebuild = replace(sample_prebuild(), items=(item,))
    await harness.api.services.prebuilds.store.create(prebuild)
    page = await harness.see(path.format(request=prebuild.id))
    assert failure.summary in page.text
    assert failure.hint in page.text
    assert f"/builds/{build_id}/log" in page.links
    assert build_id[:8] in page.text


async def test_item_of_a_repository_is_shown_with_its_commit_and_the_version_of_its_wheel(harness: WebHarness) -> None:
    (item,) = sample_prebuild().items
    assert item.commit is not None
    commit = replace(item.commit, moved_from="ab" * 20, ref=f"v6{HOSTILE}"[:60])
    wheel = "pyyaml-6.0.4.dev0+g012345678901-1.bookworm-py3-none-any.whl"
    item = replace(item, commit=commit, status=ItemStatus.PRESENT, filename=wheel, version="0.dev0+g012345678901")
    prebuild = replace(sample_prebuild(), items=(item,))
    await harness.api.services.prebuilds.store.create(prebuild)
    page = await harness.see(f"/requests/{prebuild.id}")
    assert "pyyaml 6.0.4.dev0+g012345678901" in page.text
    assert "commit 012345678901" in page.text
    assert "https://git.example/acme/pyyaml" in page.text
    assert "was commit abababababab when it was built before" in page.text
    assert page.find("img", src="x") == []


async def test_large_and_hostile_request_stays_a_small_page(harness: WebHarness) -> None:
    (item,) = sample_prebuild().items
    items = [replace(item, version=f"1.{n}", reason=HOSTILE * 9, status=ItemStatus.FAILED) for n in range(900)]
    left_out = Skipped(origin=Origin(file=HOSTILE, line=1), text=HOSTILE * 9, reason=HOSTILE * 9)
    prebuild = replace(sample_prebuild(), items=tuple(items), skipped=(left_out,) * 300, requested_by=HOSTILE)
    await harness.api.services.prebuilds.store.create(prebuild)
    for path in (f"/requests/{prebuild.id}", f"/requests/{prebuild.id}?status=failed&from=100", "/requests"):
        page = await harness.see(path)
        assert page.find("img", src="x") == []
    assert "1.100" in (await harness.see(f"/requests/{prebuild.id}?status=failed&from=100")).text


async def test_differences_between_devpi_and_database_are_shown_and_mended(harness: WebHarness) -> None:
    filename = (await furnish(harness))["wheel"]
    assert "not compared yet" in (await harness.see("/")).text
    assert (await harness.api.client.get("/v1/index/report")).status_code == 404
    harness.api.held.faults.down = True
    await harness.api.client.delete(f"/v1/wheels/{quote(filename)}", params={"confirm": filename})
    harness.api.held.faults.down = False
    assert (await harness.send("/index/check")).status_code == 303
    page = await harness.see("/index")
    assert "devpi still has it" in page.text
    assert "1 difference" in (await harness.see("/")).text
    assert (await harness.send("/index/check", mend="yes")).status_code == 303
    assert "repaired" in (await harness.see("/index")).text
    report = (await harness.api.client.get("/v1/index/report")).json()
    assert (report["found"], report["findings"][0]["mended"]) == (0, True)


async def publisher(harness: WebHarness, name: str, *publishes: str, scope: Scope = Scope.PUBLISH) -> Token:
    tokens = Tokens(store=harness.api.token_store, new_secret=lambda: f"secret of {name}")
    token, _ = await tokens.create(name=name, scope=scope, publishes=publishes, created_by="tests")
    return token


async def test_operators_see_who_may_publish_what(harness: WebHarness) -> None:
    operator = await publisher(harness, "op-token", scope=Scope.OPERATE)
    await publisher(harness, "reader", scope=Scope.READ)
    await publisher(harness, "requester", scope=Scope.REQUEST)
    revoked = await publisher(harness, "revoked", "tool")
    await harness.api.services.tokens.revoke(revoked.id, revoked_by="tests")
    expired = await harness.api.token_store.create(
        name="expired",
        scope=Scope.PUBLISH,
        publishes=("tool",),
        secret_digest="-",
        expires_at=datetime.now(UTC) - timedelta(hours=1),
        created_by="tests",
    )
    job = await publisher(harness, "release job", "Acme_*", "tool")
    await publisher(harness, "all of it", "tool", "*")
    assert (await harness.sign_in(f"{PREFIX}secret of op-token")).status_code == 303
    text = (await harness.see("/index")).text.partition("Tokens that may publish")[2]
    beginnings = [text.index(name) for name in ("all of it", "release job", "op-token")]
    assert beginnings == sorted(beginnings)
    assert "acme-*, tool" in text
    assert text.count("every project") == 3, "the tokens of an operator, of the harness and for '*'"
    assert job.id[:8] in text
    assert operator.id not in text
    for name in ("reader", "requester", "revoked", "expired"):
        assert name not in text
    assert expired.id[:8] not in text


@pytest.mark.parametrize("scope", [Scope.READ, Scope.REQUEST, Scope.PUBLISH])
async def test_others_do_not_see_who_may_publish(harness: WebHarness, scope: Scope) -> None:
    await publisher(harness, "release job", "acme-*")
    await publisher(harness, "viewer", *(["tool"] if scope is Scope.PUBLISH else []), scope=scope)
    assert (await harness.sign_in(f"{PREFIX}secret of viewer")).status_code == 303
    text = (await harness.see("/index")).text
    assert "acme-*" not in text
    assert "Who may publish" not in text


async def test_list_of_publishers_stays_a_small_page(harness: WebHarness) -> None:
    for number in range(60):
        await publisher(harness, f"{number} {HOSTILE}"[:100], *(f"{'a' * 190}{each}" for each in range(100)))
    page = await harness.see("/index")
    assert page.find("img", src="x") == []
    assert "There are 11 more" in page.text


async def test_contents_that_nobody_recorded_are_read_by_mending(harness: WebHarness) -> None:
    filename = (await furnish(harness))["wheel"]
    entry = harness.api.state.wheels[filename]
    harness.api.state.wheels[filename] = replace(entry, contents=None, wheel=replace(entry.wheel, file_count=None))
    assert "Not recorded" in (await harness.see(f"/wheels/{filename}")).text
    assert (await harness.api.client.get(f"/v1/wheels/{quote(filename)}/contents")).status_code == 404
    await harness.send("/index/check", mend="yes")
    document = (await harness.api.client.get(f"/v1/wheels/{quote(filename)}/contents")).json()
    assert {"path": "pyyaml.py", "size_bytes": 12} in document["files"]
    assert document["total"] == len(document["files"]) == 4


async def test_wheel_that_cannot_be_read_is_left_as_it_is_by_mending(harness: WebHarness) -> None:
    filename = (await furnish(harness))["wheel"]
    entry, other = harness.api.state.wheels[filename], b"no zip file"
    wheel = replace(entry.wheel, file_count=None, sha256=hashlib.sha256(other).hexdigest())
    harness.api.state.wheels[filename] = replace(entry, contents=None, wheel=wheel)
    harness.api.held.files[canonicalize_name(entry.wheel.project), filename] = other
    await harness.send("/index/check", mend="yes")
    report = (await harness.api.client.get("/v1/index/report")).json()
    assert [(one["filename"], one["mended"]) for one in report["findings"]] == [(filename, False)]


async def test_wheel_lists_its_files_with_sizes(harness: WebHarness) -> None:
    filename = (await furnish(harness))["wheel"]
    page = await harness.see(f"/wheels/{filename}")
    assert "pyyaml.py" in page.text
    assert "12 bytes" in page.text
    files = await harness.see(f"/wheels/{filename}/files")
    assert "4 files" in files.text
    assert (await harness.see(f"/wheels/{filename}/files?from=2")).text.count(".dist-info/") < 4


async def test_statistics_say_what_disk_is_taken(harness: WebHarness) -> None:
    await furnish(harness)
    page = await harness.see("/statistics?days=7")
    for text in ("Largest projects", "State directory"):
        assert text in page.text
    document = (await harness.api.client.get("/v1/statistics?days=7")).json()
    assert document["wheels"] == 2
    assert document["index_bytes"] == sum(one["size_bytes"] for one in document["largest"])
    assert document["success_rate"] == pytest.approx(2 / 3)
    assert document["disk"]["total_bytes"] > 0
    assert (await harness.api.client.get("/v1/statistics?days=0")).status_code == 422


async def test_names_and_versions_are_suggested(harness: WebHarness) -> None:
    await furnish(harness)

    async def suggested(typed: str) -> list[str]:
        response = await harness.browser.get(f"/request/suggestions?q={quote(typed)}")
        found: list[str] = response.json()["suggestions"]
        return found

    assert await suggested("PyY") == ["pyyaml"]
    assert await suggested("lx") == ["lxml"]
    assert await suggested("pyyaml==6") == ["pyyaml==6.0.3", "pyyaml==6.0.2", "pyyaml==6.0.1"]
    assert await suggested("pyyaml==7") == []
    assert await suggested("nobody-knows==1") == []
    assert await suggested("<script>") == []
    page = await harness.see("/request?requirement=py")
    assert [one["value"] for one in page.find("option") if str(one["value"]).startswith("py")] == [
        "pyyaml",
        "pylock.toml",
        "pyproject.toml",
    ]


async def test_builders_page_tells_what_the_last_refresh_changed(harness: WebHarness) -> None:
    harness.image()
    text = re.sub(r"\s+", " ", (await harness.see("/builders")).text)
    assert "on builder-1: 1 image rebuilt, 3 packages changed" in text
    for line in ("libssl3 3.0.17-1 → 3.0.17-2 security", "tzdata 2026a-0 → 2026b-0", "libnew1 new → 1"):
        assert line in text
    assert "wheelyard/builder-bookworm:1 3 packages" in text
    assert "wheelyard/environment:2 unchanged E: Unable to locate libgone" in text


async def test_builders_page_tells_what_an_image_has_and_why_an_outdated_one_is_in_use(harness: WebHarness) -> None:
    image = replace(sample_image(), role="environment", added="libpq-dev,libyaml-dev")
    older = replace(sample_image(), id="sha256:def", current=False, stands_in="The mirror does not answer.")

    async def builders() -> list[BuilderStatus]:
        return [replace(sample_builder(image), images=(image, older))]

    harness.api.app.state.services = replace(harness.api.services, builders=builders)
    text = re.sub(r"\s+", " ", (await harness.see("/builders")).text)
    assert "environment libpq-dev,libyaml-dev" in text
    assert "fallback The mirror does not answer." in text


async def test_image_shows_its_packages(harness: WebHarness) -> None:
    harness.image(readable=False)
    assert "/builders/images/sha256%3Aabc" in (await harness.see("/builders")).links
    assert "this host has no access to its engine" in (await harness.see("/builders/images/sha256%3Aabc")).text
    path = harness.image()
    page = await harness.see(path)
    assert "500 of 900 packages" in page.text
    assert "auditwheel" in page.text
    assert "1 of 1 package " in (await harness.see(f"{path}?q=lib899")).text
    await harness.see("/builders/images/sha256%3Aother", 404)
