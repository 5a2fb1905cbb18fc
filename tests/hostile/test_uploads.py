"""Hostile uploads against the API's own receiving: refused by name, and nothing of theirs is stored or listed."""

import asyncio
import gzip
import json
import tarfile
import tracemalloc
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Final

import httpx
import pytest
from tests.hostile.corpus import SDISTS, Attack
from tests.hostile.sdist_parts import MARK, piece
from tests.hostile.test_wheels import AT_READING
from tests.unit.api.test_api_files import BASIC, FORM, NAME, WHEEL, push, send
from tests.unit.api_harness import ApiHarness, api_harness
from tests.unit.pipeline_harness import PURE, make_wheel
from tests.unit.sdist_files import PKG_INFO

from wheelyard.errors import TooMuchOpenError, UploadConflictError, WheelyardError

BOUNDARY: Final = {**BASIC, "Content-Type": "multipart/form-data; boundary=x"}
PART: Final = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n'
MIB: Final = 1 << 20
ATTESTATIONS: Final = {
    "a NUL": '[{"a": "\\u0000"}]',
    "a NUL in a key": '[{"\\u0000": 1}]',
    "half of a character": '[{"a": "\\ud800"}]',
    "a number beyond all": '[{"a": 1e400}]',
    "no number": '[{"a": NaN}]',
    "endless digits": '[{"a": ' + "9" * 5000 + "}]",
    "deep": '[{"a": ' + "[" * 500 + "]" * 500 + "}]",
    "too deep to read": "[" * 200_000,
    "huge": json.dumps([{"a": "x" * (MIB + 1)}]),
    "a text": '"a"',
    "numbers": "[1]",
}


LEFT_TO_THE_SANDBOX: Final = frozenset(
    {
        *("absolute_link", "relative_link", "hard_link_out", "hard_link_to_nothing", "pax_link_out"),
        *("link_in_place_of_top_folder", "write_through_link"),
        *("block_device", "character_device", "pipe", "name_too_long", "sparse_without_end"),
        *("empty", "no_folder"),  # only their missing PKG-INFO is wrong
    }
)
"""Attacks that only unpacking would carry out, such as links and devices: builds unpack in a container."""


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[ApiHarness]:
    async with api_harness(tmp_path) as made:
        yield made


async def assert_nothing_of_it_is_kept(harness: ApiHarness) -> None:
    assert harness.state.brought == []
    assert not any(harness.state.brought_parts.values())
    assert (await harness.client.get("/v1/builds")).json()["builds"] == []
    assert (await send(harness)).status_code == httpx.codes.ACCEPTED  # an honest upload is taken afterwards


def assert_refused(answer: httpx.Response, *codes: str) -> None:
    assert 400 <= answer.status_code < 500, answer.text
    assert any(f"[{code}]" in answer.text for code in codes), answer.text
    assert len(answer.text) < 4000


@pytest.mark.parametrize("attack", AT_READING.values(), ids=AT_READING)
async def test_hostile_wheel_is_refused_before_it_is_stored(harness: ApiHarness, attack: Attack) -> None:
    content = attack.act("make")()
    answer = await send(harness, {":action": "file_upload"}, name=PURE, content=content)
    assert_refused(answer, "invalid-wheel", "upload-too-large", "no-target-fits", "wheel-claims-false")
    await assert_nothing_of_it_is_kept(harness)


@pytest.mark.parametrize("attack", SDISTS.values(), ids=SDISTS)
async def test_hostile_sdist_is_refused_before_it_is_stored(harness: ApiHarness, attack: Attack) -> None:
    name, content = attack.act("make")()
    answer = await send(harness, {":action": "file_upload"}, name=name, content=content)
    assert_refused(answer, "invalid-sdist", "upload-too-large")
    assert harness.state.sdists == {}
    await assert_nothing_of_it_is_kept(harness)


TARS: Final = {name: attack for name, attack in SDISTS.items() if not name.startswith("zip")}


@pytest.mark.parametrize("attack", TARS.values(), ids=TARS)
async def test_hostile_sdist_that_names_its_release_reaches_a_sandbox_or_nothing(
    harness: ApiHarness, attack: Attack
) -> None:
    name, content = attack.act("make")()
    content = gzip.compress(_member(PKG_INFO)) + content
    answer = await send(harness, {":action": "file_upload"}, name=name, content=content)
    if answer.status_code != httpx.codes.ACCEPTED:
        assert_refused(answer, "invalid-sdist", "upload-too-large")
        assert harness.state.sdists == {}
        assert not any(harness.state.brought_parts.values())
        return
    assert attack.refused is None or attack.name in LEFT_TO_THE_SANDBOX
    assert harness.state.wheels == {}
    assert not await asyncio.to_thread(Path("/tmp", MARK).exists)  # noqa: S108


def _member(content: bytes) -> bytes:
    """Return a regular member of a tar file, which others can follow."""
    info = tarfile.TarInfo("demo-1.0/PKG-INFO")
    info.size = len(content)
    return piece(info, content)


@pytest.mark.parametrize("text", ATTESTATIONS.values(), ids=ATTESTATIONS)
async def test_attestations_that_no_database_stores_are_refused(harness: ApiHarness, text: str) -> None:
    assert_refused(await send(harness, {**FORM, "attestations": text}), "upload-invalid")
    await assert_nothing_of_it_is_kept(harness)


@pytest.mark.parametrize("field", ["name", "version", ":action", "filetype", "pyversion", "sha256_digest"])
async def test_control_characters_of_a_field_do_not_reach_a_terminal(harness: ApiHarness, field: str) -> None:
    answer = await send(harness, {**FORM, field: "a\r\nX-Forged: y\x1b[2J\x00\u202e"})
    assert_refused(answer, "upload-invalid")
    assert "x-forged" not in answer.headers
    assert all(character.isprintable() or character == "\n" for character in answer.text), repr(answer.text)
    await assert_nothing_of_it_is_kept(harness)


FORMS: Final[Mapping[str, tuple[bytes, ...]]] = {
    "a part header without end": (b"--x\r\nContent-Disposition: form-data; name=a", *[b"y" * 65536] * 16),
    "part headers without end": (b"--x\r\n", *[b"A: b\r\n"] * 5000),
    "parts without end": (PART + b"\r\n",) * 20_002,
    "a field without end": (PART, *[b"y" * 65536] * 65),
    "a boundary that never comes": (b"-" * 65536,) * 8,
    "a file that is cut off": (
        f'--x\r\nContent-Disposition: form-data; name="content"; filename="{NAME}"\r\n\r\n'.encode() + WHEEL[:-1],
    ),
    "nothing": (),
}


@pytest.mark.parametrize("parts", FORMS.values(), ids=FORMS)
async def test_hostile_form_is_refused(harness: ApiHarness, parts: tuple[bytes, ...]) -> None:
    async def body() -> AsyncIterator[bytes]:
        for part in parts:
            yield part

    assert_refused(await harness.client.post("/legacy/", content=body(), headers=BOUNDARY), "upload-invalid")
    await assert_nothing_of_it_is_kept(harness)


async def test_memory_stays_flat_under_a_body_without_end(harness: ApiHarness) -> None:
    sent = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        yield f'--x\r\nContent-Disposition: form-data; name="content"; filename="{NAME}"\r\n\r\n'.encode()
        while sent < 256 * MIB:
            sent += 65536
            yield b"y" * 65536

    tracemalloc.start()
    try:
        answer = await harness.client.post("/legacy/", content=body(), headers=BOUNDARY)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert_refused(answer, "upload-too-large")
    assert sent < 16 * MIB, "it was read on beyond the limit"
    assert peak < 32 * MIB
    await assert_nothing_of_it_is_kept(harness)


async def test_of_two_that_bring_other_bytes_at_once_the_loser_leaves_no_bytes(harness: ApiHarness) -> None:
    other = make_wheel(NAME, requires=["idna"])
    answers = await asyncio.gather(push(harness), push(harness, content=other))
    assert sorted(answer.status_code for answer in answers) == [202, 409]
    assert len([parts for parts in harness.state.brought_parts.values() if parts]) == 1


@pytest.mark.parametrize(
    "error",
    [
        UploadConflictError(file=NAME, held="ab" * 32, ours="cd" * 32, why="the index has it"),
        TooMuchOpenError(what="builds", limit=1, setting="WHEELYARD_LIMIT_BUILDS"),
    ],
    ids=["conflict", "too much"],
)
async def test_refusal_after_the_bytes_were_stored_leaves_none(
    harness: ApiHarness, monkeypatch: pytest.MonkeyPatch, error: WheelyardError
) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(harness.services.uploads.store, "submit", refuse)
        assert_refused(await send(harness), error.code)
    await assert_nothing_of_it_is_kept(harness)
