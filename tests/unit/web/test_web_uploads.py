"""The page of uploads: who may use it, what it takes and refuses, and the story that it tells of each file."""

import hashlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from packaging.utils import canonicalize_name
from tests.contract.samples import TARGET, sample_failure
from tests.contract.sdist_upload_contract import built
from tests.unit.api.test_api_sdists import end, publisher, queued
from tests.unit.pipeline_harness import pack_wheel
from tests.unit.sdist_files import SDIST, pack_sdist
from tests.unit.web.test_web_brought import NAME, bring, publish, refuse, wheel, words
from tests.unit.web_harness import SeenPage, WebHarness, web_harness

from wheelyard.api.schemas.files import MOST_TARGETS
from wheelyard.domain.access import Scope
from wheelyard.domain.builds.build import Proof, Stage, Status
from wheelyard.domain.builds.records import Outcome
from wheelyard.domain.index.uploads import UploadFilter
from wheelyard.usecases.access import ParallelLimit
from wheelyard.usecases.tokens import Tokens
from wheelyard.web.uploads.page import _MOST_FILES
from wheelyard.web.uploads.story import describe_proofs

OTHER = "other-2.0-py3-none-any.whl"


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[WebHarness]:
    async with web_harness(tmp_path) as made:
        await made.sign_in()
        yield made


async def sign_in_as(harness: WebHarness, scope: Scope, *publishes: str) -> None:
    tokens = Tokens(store=harness.api.token_store, new_secret=lambda: f"secret-{scope}")
    _, secret = await tokens.create(name=f"a-{scope}", scope=scope, publishes=publishes, created_by="root")
    await harness.sign_in(secret)


async def send(
    harness: WebHarness,
    *files: tuple[str, bytes],
    csrf: str | None = None,
    fields: Mapping[str, list[str]] | None = None,
) -> httpx.Response:
    csrf = (await harness.see("/upload")).csrf if csrf is None else csrf
    parts = [("content", (name, content, "application/octet-stream")) for name, content in files]
    return await harness.browser.post("/upload", data={"csrf_token": csrf, **(fields or {})}, files=parts)


async def stored(harness: WebHarness) -> list[str]:
    page = await harness.api.services.uploads.store.list_uploads(UploadFilter())
    return [upload.filename for upload in page.uploads]


def seen(response: httpx.Response, status: int = 422) -> SeenPage:
    assert response.status_code == status, response.text
    return SeenPage.of(response)


async def test_files_are_stored_with_their_builds_and_their_stories_are_shown(harness: WebHarness) -> None:
    answer = await send(harness, (NAME, wheel(NAME)), (f"C:\\dist\\{OTHER}", wheel(OTHER)))
    assert (answer.status_code, answer.headers["Location"]) == (303, "/upload")
    assert await stored(harness) == [OTHER, NAME]
    upload = await harness.api.services.uploads.store.find(NAME)
    parts = harness.api.services.uploads.store.read(upload.id)
    assert b"".join([part async for part in parts]) == wheel(NAME)
    assert upload.uploaded_by.startswith("tests (")
    page = await harness.see("/upload")
    assert f"/builds/{upload.build_id}" in page.links
    assert f"{NAME} pending" in words(page)
    assert page.find("main")[0]["data-renewed"] == "2"


async def test_large_file_is_written_in_parts_and_is_what_was_sent(harness: WebHarness) -> None:
    content = wheel(NAME, **{"demo/data.bin": hashlib.shake_128(b"demo").digest(3 << 20)})
    assert (await send(harness, (NAME, content), (OTHER, wheel(OTHER)))).status_code == 303
    upload = await harness.api.services.uploads.store.find(NAME)
    parts = [part async for part in harness.api.services.uploads.store.read(upload.id)]
    assert b"".join(parts) == content


METADATA = b"Metadata-Version: 2.4\nName: demo\nVersion: 1.0\n"


async def test_file_that_is_refused_at_once_says_why_and_the_others_are_stored(harness: WebHarness) -> None:
    liar = pack_wheel(OTHER, {"other-2.0.dist-info/METADATA": METADATA, "other.py": b""})
    page = seen(await send(harness, (OTHER, liar), (NAME, wheel(NAME)), ("<b>.whl", b"x"), ("notes.txt", b"x")))
    text = words(page)
    assert await stored(harness) == [NAME]
    assert f"{OTHER} is not a usable wheel" in text
    assert "metadata-mismatch" in text
    assert "Rename the file, or change the name, version or tags" in text
    assert "'<b>.whl' is not a plain file name" in text
    assert "notes.txt is of an unknown kind" in text
    assert page.find("b") == []
    assert "data-renewed" not in page.find("main")[0]
    assert len(page.find("li", class_="failure")) == 3


async def test_same_bytes_again_are_a_success_and_other_bytes_a_conflict(harness: WebHarness) -> None:
    for _ in range(2):
        assert (await send(harness, (NAME, wheel(NAME)))).status_code == 303
    assert await stored(harness) == [NAME]
    other = wheel(NAME, **{"demo/more.py": b"answer = 43\n"})
    assert "already exists, with other bytes" in words(seen(await send(harness, (NAME, other))))


async def test_form_without_a_file_or_with_too_many_is_refused(harness: WebHarness) -> None:
    assert "choose a file" in words(seen(await send(harness, ("", b""))))
    many = [(f"demo-1.{number}-py3-none-any.whl", b"x") for number in range(_MOST_FILES + 1)]
    assert f"at most {_MOST_FILES} at once" in words(seen(await send(harness, *many)))
    assert await stored(harness) == []


async def test_form_of_another_session_or_site_stores_nothing(harness: WebHarness) -> None:
    for csrf in ("", "0" * 64):
        assert "belongs to another session" in words(seen(await send(harness, (NAME, wheel(NAME)), csrf=csrf)))
    csrf = (await harness.see("/upload")).csrf
    late = await harness.browser.post("/upload", files=[("content", (NAME, wheel(NAME))), ("csrf_token", (None, csrf))])
    assert "belongs to another session" in words(seen(late)), "the token must come before the file"
    harness.browser.headers["Sec-Fetch-Site"] = "cross-site"
    assert (await send(harness, (NAME, wheel(NAME)), csrf=csrf)).status_code == 422
    assert await stored(harness) == []
    assert harness.api.state.brought_parts == {}


async def test_file_above_the_limit_is_refused(harness: WebHarness) -> None:
    uploads = replace(harness.api.services.uploads, limit_bytes=1000)
    harness.api.app.state.services = replace(harness.api.services, uploads=uploads)
    csrf = (await harness.see("/upload")).csrf
    answer = await send(harness, (NAME, b"x" * (9 << 20)), csrf=csrf)
    assert answer.status_code in {413, 422}
    assert "MiB" in answer.text
    assert await stored(harness) == []


@pytest.mark.parametrize("scope", [Scope.READ, Scope.REQUEST])
async def test_token_without_the_right_is_told_how_to_get_it(harness: WebHarness, scope: Scope) -> None:
    await send(harness, (NAME, wheel(NAME)))
    await sign_in_as(harness, scope)
    page = await harness.see("/upload")
    assert page.find("form", action="/upload") == []
    assert f"has the scope {scope}" in words(page)
    assert "wheelyard token create NAME --scope publish --project PROJECT" in words(page)
    assert "Nothing was uploaded with this token yet." in words(page)
    assert NAME in words(await harness.see("/upload?by=all"))
    answer = await send(harness, (NAME, wheel(NAME)), csrf=(await harness.see("/")).csrf)
    assert answer.status_code == 403
    assert "publish" in answer.text


async def test_token_uploads_its_own_projects_only(harness: WebHarness) -> None:
    await sign_in_as(harness, Scope.PUBLISH, "demo", "acme-*")
    page = await harness.see("/upload")
    assert "may upload demo, acme-* ." in words(page).replace("acme-*.", "acme-* .")
    text = words(seen(await send(harness, (OTHER, wheel(OTHER)), (NAME, wheel(NAME)))))
    assert "The token may not upload files of other, only of demo, acme-*." in text
    assert await stored(harness) == [NAME]


async def test_reader_without_a_session_sees_uploads_and_how_to_upload(tmp_path: Path) -> None:
    async with web_harness(tmp_path, anonymous_read=True) as harness:
        await bring(harness)
        page = await harness.see("/upload")
        assert NAME in page.text
        assert "/sign-in?next=/upload" in page.links
        assert page.find("form", action="/upload") == []


async def test_uploads_at_once_are_limited_as_those_of_the_api(harness: WebHarness) -> None:
    limit = ParallelLimit(what="requests", most=1, setting="WHEELYARD_X")
    harness.api.services.access.running = limit
    caller = (await harness.api.services.tokens.list_tokens())[0].id
    csrf = (await harness.see("/upload")).csrf
    with limit.hold(caller):
        answer = await send(harness, (NAME, wheel(NAME)), csrf=csrf)
    assert answer.status_code == 429
    assert await stored(harness) == []


async def test_story_follows_the_stages_of_the_build(harness: WebHarness) -> None:
    build_id = await bring(harness)
    text = words(await harness.see("/upload"))
    assert "received sha256" in text
    assert "checked waiting repaired waiting proven waiting listed waiting" in text
    claim = await harness.api.claim(build_id)
    for stage, told in (
        (Stage.BUILD, "checked running repaired waiting"),
        (Stage.REPAIR, "agree. repaired running proven waiting"),
        (Stage.VERIFY, "repaired proven running listed waiting"),
        (Stage.PUBLISH, "proven listed running"),
    ):
        await harness.api.attempts.enter_stage(claim, stage)
        assert told in words(await harness.see("/upload")), stage


async def test_story_of_a_published_wheel_says_what_was_changed_and_where_it_was_proven(harness: WebHarness) -> None:
    build_id = await bring(harness)
    repaired = "demo-1.0-1.bookworm-py3-none-any.whl"
    await publish(harness, build_id, filename=repaired, changes=("Its tag was <x>, and is y.",))
    page = await harness.see("/upload")
    assert f"{NAME} published" in words(page)
    assert "repaired Its tag was <x>, and is y. proven It was installed and imported on bookworm" in words(page)
    assert f"listed as {repaired}" in words(page)
    assert f"/wheels/{repaired}" in page.links


async def test_story_of_a_wheel_that_was_right_says_that_nothing_was_changed(harness: WebHarness) -> None:
    await publish(harness, await bring(harness))
    assert "Nothing was changed: it is byte for byte what was brought." in words(await harness.see("/upload"))


async def test_story_of_a_refused_wheel_says_where_why_and_what_to_do(harness: WebHarness) -> None:
    build_id = await bring(harness)
    await refuse(harness, build_id)
    page = await harness.see("/upload")
    text = words(page)
    assert f"{NAME} refused" in text
    assert "repaired Its tag was old, and is new." in text
    assert "proven failed It passed on bookworm with Python 3.13. It failed on trixie with Python 3.13." in text
    assert "listed not reached" in text
    assert "demo 1.0 does not work." in text
    assert "tag-too-old x.so: it needs <GLIBC_2.38> What to do: Build it on old." in text
    assert "verify-failed · The name is free" in text
    assert f"/builds/{build_id}" in page.links


async def test_story_of_a_cancelled_upload_says_so(harness: WebHarness) -> None:
    build_id = await bring(harness)
    token = (await harness.api.services.tokens.list_tokens())[0]
    await harness.api.services.request_build.cancel(build_id, by=token)
    text = words(await harness.see("/upload"))
    assert f"{NAME} cancelled" in text
    assert "Upload it again to have it tested." in text


async def test_uploads_are_listed_page_by_page_and_by_project(harness: WebHarness) -> None:
    names = [f"demo-1.{number}-py3-none-any.whl" for number in range(21)]
    for name in names:
        await bring(harness, name)
    await bring(harness, OTHER)
    page = await harness.see("/upload?project=Demo")
    assert OTHER not in page.text
    assert names[20] in page.text
    assert names[0] not in page.text
    (older,) = [link for link in page.links if "before=" in link]
    assert "project=demo" in older
    page = await harness.see(older)
    assert names[0] in page.text
    assert "/upload?project=demo" in page.links
    await harness.see("/upload?before=x", 422)


async def test_project_page_says_who_brought_what(harness: WebHarness) -> None:
    build_id = await bring(harness)
    page = await harness.see("/projects/demo")
    assert f"{NAME} tests (" in words(page)
    assert f"/builds/{build_id}" in page.links
    await refuse(harness, build_id)
    text = words(await harness.see("/projects/demo"))
    assert "refused verify-failed demo 1.0 does not work." in text
    again = await bring(harness)
    await publish(harness, again, filename="demo-1.0-1.bookworm-py3-none-any.whl", changes=("x",))
    page = await harness.see("/projects/demo")
    assert "published" in words(page)
    assert "listed as demo-1.0-1.bookworm-py3-none-any.whl" in words(page)
    assert "/upload?project=demo" in page.links
    await harness.built()
    assert "Brought by others" not in (await harness.see(f"/projects/{canonicalize_name('pyyaml')}")).text


async def test_proofs_are_described_by_suite() -> None:
    proofs = [
        Proof(suite=suite, python=python, platform="p", imported_modules=(), runtime_image="i")
        for suite, python in (("bookworm", "3.11"), ("bookworm", "3.13"), ("trixie", "3.13"))
    ]
    assert describe_proofs(proofs) == "bookworm (Python 3.11, 3.13) and trixie (Python 3.13)"
    assert describe_proofs(proofs[:2]) == "bookworm (Python 3.11, 3.13)"
    assert describe_proofs(()) == "no recorded target"


async def test_sdist_is_taken_and_its_story_leads_to_its_targets_and_wheels(harness: WebHarness) -> None:
    assert (await send(harness, (SDIST, pack_sdist()))).status_code == 303
    upload = await harness.api.services.uploads.store.find(SDIST)
    assert upload.sdist is not None
    page = await harness.see("/upload")
    assert f"{SDIST} pending" in words(page)
    assert "built running Targets that are still open:" in words(page)
    assert "listed waiting" in words(page)
    assert f"/requests/{upload.sdist.request_id}" in page.links
    assert f"/requests/{upload.sdist.request_id}" in (await harness.see("/projects/demo")).links
    await end(harness.api, (await queued(harness.api))[0], built())
    await publisher(harness.api).once()
    text = words(await harness.see("/upload"))
    assert f"{SDIST} published" in text
    assert "Wheels of it: demo-1.0-1.bookworm-cp313" in text
    assert "It is listed together with its wheels." in text


async def test_story_of_an_sdist_without_a_wheel_says_why_it_was_refused(harness: WebHarness) -> None:
    await send(harness, (SDIST, pack_sdist()))
    while builds := await queued(harness.api):
        for build in builds:
            await end(harness.api, build, Outcome(status=Status.FAILED, failure=sample_failure()))
    text = words(await harness.see("/upload"))
    assert f"{SDIST} refused" in text
    assert "built failed" in text
    assert "listed not reached" in text
    assert sample_failure().summary in text


async def test_sdist_is_built_for_the_chosen_targets_and_a_refusal_keeps_the_choice(harness: WebHarness) -> None:
    page = await harness.see("/upload")
    targets = harness.api.services.request_build.targets()
    assert {box["value"] for box in page.find("input", name="pythons")} == {target.python for target in targets}
    assert {box["value"] for box in page.find("input", name="platforms")} == {target.platform for target in targets}
    assert not any("checked" in box for box in page.find("input", type="checkbox"))
    assert "open" not in page.find("details", id="targets")[0]
    chosen = {"pythons": ["3.13"], "platforms": [TARGET.platform]}
    page = seen(await send(harness, (SDIST, pack_sdist()), ("notes.txt", b"x"), fields=chosen))
    checked = [box["value"] for box in page.find("input", type="checkbox") if "checked" in box]
    assert checked == ["3.13", TARGET.platform]
    assert "open" in page.find("details", id="targets")[0]
    (build,) = await queued(harness.api)
    assert build.order.target == TARGET
    upload = await harness.api.services.uploads.store.find(SDIST)
    assert upload.sdist is not None
    assert upload.sdist.open_targets == 1


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"pythons": ["2.7"]}, "2.7"),
        ({"platforms": ["manylinux_2_5_x86_64"]}, "manylinux_2_5_x86_64"),
        ({"pythons": ["3.13"] * (MOST_TARGETS + 1)}, f"{MOST_TARGETS} are allowed"),
    ],
)
async def test_target_that_there_is_not_is_refused(
    harness: WebHarness, fields: dict[str, list[str]], problem: str
) -> None:
    assert problem in words(seen(await send(harness, (SDIST, pack_sdist()), fields=fields)))
    assert await stored(harness) == []
