"""A campaign on real parts: what is covered, what is built, what fails and what that blocks, and a mend by a recipe.

The upstream index is ours. Each project is built in a sandbox of its own.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.processes import wait_for
from tests.acceptance.running_service import BUILD_SECONDS, Document, Launch, RunningService, running
from tests.acceptance.upstream import ABI3, NATIVE, QUICK, Upstream

BROKEN = f"os.environ.get('CAMPAIGN_MENDED') or sys.exit('it cannot be built as it is'); {NATIVE}"
RECIPE = 'schema = 1\nname = "camplow"\n[[rule]]\nenv.CAMPAIGN_MENDED = "1"\n'
NAMES = ("campure", "campabi", "campnative", "camplow", "campmid", "camptop")


@pytest.fixture(scope="module")
def yard(spare_state_dir: Path, upstream: Upstream) -> Iterator[RunningService]:
    upstream.add("campure", QUICK)
    upstream.add("campabi", ABI3)
    upstream.add("campnative", NATIVE)
    upstream.add("camplow", BROKEN)
    upstream.add("campmid", QUICK, needs=["camplow"])
    upstream.add("camptop", QUICK, requires=["camplow"], needs=["campmid"])
    with running(Launch(state_dir=spare_state_dir, settings={"UPSTREAM_INDEX_URL": upstream.url})) as service:
        yield service


def settled(yard: RunningService, url: str, wanted: dict[str, str]) -> Document:
    """Wait until the projects of a campaign have these states."""

    def look() -> Document | None:
        view: Document = yard.http.get(url).raise_for_status().json()
        return view if {row["project"]: row["state"] for row in view["rows"]} == wanted else None

    return wait_for(f"the states {wanted}", look, seconds=BUILD_SECONDS)


def builds_of(yard: RunningService) -> dict[str, int]:
    pages = {name: yard.http.get("/v1/builds", params={"project": name}).raise_for_status().json() for name in NAMES}
    return {name: len(page["builds"]) for name, page in pages.items()}


def test_campaign_builds_what_it_can_and_goes_on_with_what_a_recipe_mends(yard: RunningService, tmp_path: Path) -> None:
    for name in ("campure", "campabi"):
        assert yard.finished(yard.submit(f"{name}==1.0")["id"])["status"] == "succeeded"
    pins = tmp_path / "requirements.txt"
    pins.write_text("".join(f"{name}==1.0\n" for name in NAMES))
    began = yard.cli("campaign", "python", "3.13", "--from", str(pins))
    assert began.returncode == 0, began.stderr
    (campaign,) = yard.http.get("/v1/campaigns").raise_for_status().json()["campaigns"]
    ready = {"campure": "covered", "campabi": "covered", "campnative": "done"}
    view = settled(yard, campaign["url"], ready | {"camplow": "failed", "campmid": "blocked", "camptop": "blocked"})
    assert view["blockers"] == [{"project": "camplow", "blocks": 2, "state": "failed"}]
    assert {row["code"] for row in view["rows"] if row["project"] == "camplow"} == {"build-failed"}
    shown = yard.cli("campaign", "show", campaign["id"][:8])
    assert "50 % ready: 3 of 6" in shown.stdout
    assert "camplow (failed): 2 blocked" in shown.stdout
    before = builds_of(yard)

    put = yard.http.put("/v1/recipes/camplow", json={"text": RECIPE})
    assert put.is_success, put.text
    over = settled(yard, campaign["url"], dict.fromkeys(NAMES, "done") | {"campure": "covered", "campabi": "covered"})
    assert (over["percent"], over["finished_at"] is not None) == (100, True)
    after = builds_of(yard)
    again = {name: after[name] - before[name] for name in NAMES}
    assert again == {"campure": 0, "campabi": 0, "campnative": 0, "camplow": 1, "campmid": 1, "camptop": 1}
    watched = yard.cli("campaign", "python", "3.13", "--from", "index", "--watch")
    assert watched.returncode == 0, watched.stderr
    yard.assert_nothing_half_done()
