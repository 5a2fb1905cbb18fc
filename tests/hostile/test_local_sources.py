"""Hostile archives sent to be built: read by the API as data, in time and memory.

What it takes is unpacked in a container, against the same archives (``test_sdists.py``, ``test_builds.py``).
"""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import httpx
import pytest
from tests.hostile.corpus import SDISTS, Attack
from tests.unit.api.test_api_local import FOLDER, NAMELESS, SDIST, packed, parts_of, send
from tests.unit.api_harness import ApiHarness, api_harness
from tests.unit.web_harness import web_harness

MIB: Final = 1 << 20
SECONDS: Final = 60.0
LITTLE: Final = 96 * MIB
NAMES: Final = {
    "a path": "../../demo-1.2.tar.gz",
    "an absolute path": "/etc/demo-1.2.tar.gz",
    "a NUL": "demo-1.2\0.tar.gz",
    "lines": "demo\n-1.2.tar.gz",
    "a release of another": "requests-99.tar.gz",
    "endless digits": f"demo-{'9' * 150}.tar.gz",
    "a wheel": "demo-1.2-py3-none-any.whl",
}
IDENTITIES: Final = {
    "deep": b"[project]\nname = " + b"[" * 5000,
    "huge": b"[project]\nname = '" + b"x" * (2 * MIB) + b"'",
    "endless digits": b"[project]\nname = 'demo'\nversion = '" + b"9" * 5000 + b"'",
    "no text": b"\xff\xfe\0\0",
    "a path for a name": b"[project]\nname = '../../etc'",
    "a name that spells another": "[project]\nname = 'r\N{CYRILLIC SMALL LETTER IE}quests'".encode(),
}


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[ApiHarness]:
    async with api_harness(tmp_path) as made:
        yield made


async def assert_nothing_of_it_is_kept(harness: ApiHarness) -> None:
    assert await parts_of(harness) == []
    assert not harness.state.records
    assert (await send(harness, FOLDER)).status_code == httpx.codes.ACCEPTED  # an honest folder is taken afterwards


@pytest.mark.parametrize("kind", ["sdist", "folder"])
@pytest.mark.parametrize("attack", SDISTS.values(), ids=SDISTS)
async def test_hostile_archive_is_answered_in_time_and_kept_only_if_it_may_be_built(
    harness: ApiHarness, attack: Attack, kind: str
) -> None:
    name, content = attack.act("make")()
    tracemalloc.start()
    try:
        async with asyncio.timeout(SECONDS):
            answer = await send(harness, content, kind=kind, name=name, project="demo")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < LITTLE + 4 * len(content)
    if answer.status_code == httpx.codes.ACCEPTED:
        assert ".dev" in answer.json()["version"]
        assert await parts_of(harness)
    else:
        assert (answer.status_code, answer.json()["code"]) == (422, "local-source-invalid"), answer.text
        assert len(answer.text) < 4000
        await assert_nothing_of_it_is_kept(harness)


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
async def test_hostile_name_is_refused(harness: ApiHarness, name: str) -> None:
    answer = await send(harness, SDIST, kind="sdist", name=name)
    assert answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY, answer.text
    assert answer.json()["code"] in {"local-source-invalid", "invalid-request"}
    await assert_nothing_of_it_is_kept(harness)


@pytest.mark.parametrize("text", IDENTITIES.values(), ids=IDENTITIES)
async def test_hostile_pyproject_names_no_project(harness: ApiHarness, text: bytes) -> None:
    answer = await send(harness, packed({"pyproject.toml": text}))
    if b"'demo'" in text:
        assert answer.json()["version"].startswith("0.dev0+l")
        return
    assert (answer.status_code, answer.json()["code"]) == (422, "local-source-invalid"), answer.text
    await assert_nothing_of_it_is_kept(harness)


async def test_hostile_words_about_a_folder_are_data_and_the_page_names_its_sender(tmp_path: Path) -> None:
    words = "<script>alert(1)</script>"
    async with web_harness(tmp_path) as web:
        await web.sign_in()
        answer = await send(web.api, NAMELESS, name=words, project="demo", tag="v1;touch /tmp/x")
        document = answer.json()
        sent = document["local_source"]
        assert (sent["name"], sent["tag"]) == (words, None)
        page = await web.see(f"/builds/{document['id']}")
    for shown in ("Local folder", words, sent["sha256"], sent["sent_by"]):
        assert shown in page.text
