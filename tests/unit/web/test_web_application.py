"""What an application depends on, handed in on the request page as files or as text."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from tests.unit.web_harness import SeenPage, WebHarness, web_harness

from wheelyard.domain.prebuilds.prebuild import Prebuild

Files = list[tuple[str, tuple[str, bytes, str]]]
PYLOCK = b"""lock-version = "1.0"
created-by = "tests"
[[packages]]
name = "pyyaml"
version = "6.0.2"
sdist = {name = "pyyaml-6.0.2.tar.gz", url = "https://x.invalid/pyyaml-6.0.2.tar.gz", hashes = {sha256 = "00"}}
"""


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[WebHarness]:
    async with web_harness(tmp_path) as made:
        await made.sign_in()
        made.api.resolver.add("pyyaml", "6.0.2", "6.0.3")
        made.api.resolver.add("lxml", "6.0.2")
        yield made


async def hand_in(harness: WebHarness, *files: tuple[str, bytes], **fields: str | list[str]) -> httpx.Response:
    csrf = (await harness.see("/request")).csrf
    uploads: Files = [("files", (name, content, "text/plain")) for name, content in files]
    uploads = uploads or [("files", ("", b"", "application/octet-stream"))]
    return await harness.browser.post("/requests", files=uploads, data={"csrf_token": csrf, **fields})


async def requested(harness: WebHarness, response: httpx.Response) -> Prebuild:
    assert response.status_code == 303, response.text
    return await harness.api.services.prebuilds.get(response.headers["Location"].rpartition("/")[2])


async def test_file_is_handed_in_for_several_targets(harness: WebHarness) -> None:
    pythons = ["3.11", "3.13"]
    response = await hand_in(harness, ("C:\\app\\requirements.txt", b"pyyaml==6.0.3\r\n"), python=pythons, prefer="own")
    prebuild = await requested(harness, response)
    assert {item.target.python for item in prebuild.items} == set(pythons)
    assert {(item.project, item.origin.file, item.origin.line) for item in prebuild.items} == {
        ("pyyaml", "requirements.txt", 1)
    }
    assert (prebuild.prefer, prebuild.requested_by.partition(" ")[0]) == ("own", "tests")


async def test_pasted_text_is_read_as_what_it_is_said_to_be(harness: WebHarness) -> None:
    prebuild = await requested(harness, await hand_in(harness, text="pyyaml==6.0.3\nlxml==6.0.2\n"))
    assert sorted(item.project for item in prebuild.items) == ["lxml", "pyyaml"]
    prebuild = await requested(harness, await hand_in(harness, text=PYLOCK.decode(), kind="pylock.toml"))
    assert [(item.project, item.version) for item in prebuild.items] == [("pyyaml", "6.0.2")]


async def test_files_that_others_name_are_read_for_them_alone(harness: WebHarness) -> None:
    files = [
        ("constraints.txt", b"pyyaml==6.0.2\n"),
        ("requirements.txt", b"-r base.txt  # the base\r\n--constraint=constraints.txt\n"),
        ("base.txt", b"pyyaml\n"),
        ("dev tools.txt", b"lxml==6.0.2\n"),
    ]
    prebuild = await requested(harness, await hand_in(harness, *files))
    assert sorted((item.project, item.version) for item in prebuild.items) == [("lxml", "6.0.2"), ("pyyaml", "6.0.2")]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("requirements.txt", "pyyaml".encode("utf-16"), "UTF-16"),
        ("requirements.txt", b"\xc3\x28", "not UTF-8"),
        ("requirements.txt", b"pyyaml\0", "NUL"),
        ("requirements.txt", b"-r base.txt", "base.txt"),
        ("pylock.toml", b"= no", "pylock.toml"),
        ("uv.lock", b"", "uv.lock"),
    ],
)
async def test_what_cannot_be_read_is_explained_beside_the_form(
    harness: WebHarness, name: str, content: bytes, told: str
) -> None:
    response = await hand_in(harness, (name, content), python="3.11")
    assert response.status_code == 422, response.text
    page = SeenPage.of(response)
    assert page.find("section", role="alert")
    assert told in page.text
    assert page.find("input", value="3.11", name="python") == [
        {"type": "checkbox", "name": "python", "value": "3.11", "checked": None}
    ], "what was chosen stays"


async def test_text_that_was_refused_is_still_in_the_form(harness: WebHarness) -> None:
    response = await hand_in(harness, text="pyyaml==\n</textarea><b>", kind="uv.lock")
    assert response.status_code == 422
    assert "pyyaml==" in SeenPage.of(response).text
    assert SeenPage.of(response).find("b") == []


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"prefer": "x"},
        {"python": "x"},
        {"platform": "x"},
        {"kind": "x.lock"},
        {"python": [f"3.{number}" for number in range(40)]},
    ],
)
async def test_form_that_makes_no_sense_is_refused(harness: WebHarness, fields: dict[str, str | list[str]]) -> None:
    text = {"text": "= no"} if "kind" in fields else {"text": "pyyaml"} if fields else {}
    assert (await hand_in(harness, **text, **fields)).status_code == 422


async def test_files_of_different_kinds_do_not_go_together(harness: WebHarness) -> None:
    response = await hand_in(harness, ("pylock.toml", PYLOCK), ("requirements.txt", b"lxml"))
    assert "only requirements files can be uploaded together" in SeenPage.of(response).text
    response = await hand_in(harness, ("a/r.txt", b"lxml"), ("b/r.txt", b"lxml"))
    assert "uploaded twice" in SeenPage.of(response).text


async def test_form_with_files_needs_its_token_and_is_not_too_large(harness: WebHarness) -> None:
    await harness.see("/request")
    sent = await harness.browser.post("/requests", files={"files": ("requirements.txt", b"lxml")})
    assert (sent.status_code, "belongs to another session" in sent.text) == (422, True)
    large = await hand_in(harness, ("requirements.txt", b"# " + b"x" * (8 << 20)))
    assert large.status_code == 413
    many = await hand_in(harness, *[(f"r{number}.txt", b"lxml") for number in range(60)])
    assert many.status_code == 422
    headers = {"Content-Type": "multipart/form-data"}
    assert (await harness.browser.post("/requests", content=b"x", headers=headers)).status_code == 422
