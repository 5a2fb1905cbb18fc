"""The request page with a source in git: its plan, the request, and refusals on the page."""

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from tests.unit.web_harness import WebHarness, web_harness

from wheelyard.domain.builds.build import SourceKind
from wheelyard.interfaces import GitCommit

COMMIT = "0123456789abcdef" * 2 + "01234567"
URL = "https://git.example/acme/demo"


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[WebHarness]:
    async with web_harness(tmp_path) as made:
        made.api.repositories.refs.update(
            {"v1.2": GitCommit(commit=COMMIT, tag="v1.2"), "HEAD": GitCommit(commit=COMMIT)}
        )
        made.api.repositories.texts["pyproject.toml"] = '[project]\nname = "demo"\nversion = "1.2"\n'
        await made.sign_in()
        yield made


def path(**fields: str) -> str:
    return f"/request?{urlencode(fields)}"


async def test_plan_of_a_commit_shows_it_and_asks_upstream_for_no_releases(harness: WebHarness) -> None:
    page = await harness.see(path(git=URL, ref="v1.2", subdirectory="python"))
    assert "demo 1.2.dev0+g0123456789ab" in page.text
    for shown in (URL, COMMIT, "python"):
        assert shown in page.text
    assert page.find("input", name="ref", type="hidden", value="v1.2")
    assert not harness.api.source.calls["project"]


async def test_commit_is_requested_as_it_was_filled_in(harness: WebHarness) -> None:
    answer = await harness.send("/request", git=URL, ref="v1.2", subdirectory="python", requirement="")
    assert answer.status_code == 303, answer.text
    build = await harness.api.builds.get(answer.headers["Location"].removeprefix("/builds/"))
    origin = build.order.sdist.git
    assert build.order.sdist.kind is SourceKind.GIT
    assert origin is not None
    assert (origin.url, origin.ref, origin.commit, origin.subdirectory) == (URL, "v1.2", COMMIT, "python")


async def test_requirement_may_be_a_source_in_git_in_pip_s_form(harness: WebHarness) -> None:
    page = await harness.see(path(requirement=f"git+{URL}@v1.2"))
    assert "demo 1.2.dev0+g0123456789ab" in page.text


async def test_name_is_that_of_the_project_if_its_files_do_not_state_it(harness: WebHarness) -> None:
    harness.api.repositories.texts.clear()
    assert "is not in the pyproject.toml" in (await harness.see(path(git=URL))).text
    assert "other 0.dev0+g0123456789ab" in (await harness.see(path(git=URL, requirement="Other"))).text


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"git": "https://other.example/demo"}, "not allowed"),
        ({"git": "file:///srv/demo"}, "no usable source in git"),
        ({"git": URL, "ref": "--upload-pack=x"}, "no usable source in git"),
        ({"git": URL, "ref": "v9"}, "no commit, tag or branch v9"),
        ({"git": URL, "subdirectory": "../x"}, "no usable source in git"),
    ],
)
async def test_source_that_cannot_be_used_is_said_on_the_page(
    harness: WebHarness, fields: dict[str, str], says: str
) -> None:
    page = await harness.see(path(**fields))
    assert "This cannot be requested" in page.text
    assert says in page.text
    assert page.find("input", name="git", value=fields["git"])
    assert page.find("form", action="/request", method="post") == []
