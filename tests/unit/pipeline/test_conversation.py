"""What the worker's end of the conversation takes from a container, and what it refuses by name."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.fakes.engine import ContainerExitError, MemoryEngine, Script, ScriptedAgent
from tests.fakes.parsers import InlineParsers
from tests.unit.pipeline_harness import LIMIT_RULES, LIMITS, TextLog

from wheelyard.domain.builds.build import Stage
from wheelyard.domain.recipes.effective import EffectiveRecipe
from wheelyard.errors import ContainerLostError, OutOfMemoryError, OutputLimitError, UntrustedOutputError
from wheelyard.interfaces import ContainerSpec
from wheelyard.pipeline.conversation import Conversation, Message
from wheelyard.pipeline.limits import grant_limits

SPEC = ContainerSpec(image="image", command=("agent",), limits=LIMITS, labels={}, env={})


@asynccontextmanager
async def talk(
    script: Script, outbox: Path, *, output_bytes: int = 1000, parsers: InlineParsers | None = None
) -> AsyncIterator[Conversation]:
    async with MemoryEngine(script).run(SPEC, log=TextLog()) as container:
        conversation = Conversation(
            container,
            stage=Stage.BUILD,
            outbox=outbox,
            output_bytes=output_bytes,
            limits=grant_limits(EffectiveRecipe(), LIMIT_RULES),
            parsers=parsers or InlineParsers(),
        )
        await conversation.start(b"program")
        yield conversation


def sending(*pieces: bytes, code: int = 0) -> Script:
    async def script(agent: ScriptedAgent) -> None:
        for piece in pieces:
            agent.send_raw(piece)
        raise ContainerExitError(code)

    return script


def header(**fields: object) -> bytes:
    return json.dumps(fields).encode() + b"\n"


def everything_below(directory: Path) -> list[Path]:
    return list(directory.rglob("*"))


async def refusal(outbox: Path, *pieces: bytes, code: int = 0) -> str:
    async with talk(sending(*pieces, code=code), outbox) as conversation:
        with pytest.raises(UntrustedOutputError) as caught:
            await conversation.receive()
    assert len(caught.value.reason) < 1000
    return caught.value.reason


async def test_agent_gets_its_program_and_what_the_worker_sends(tmp_path: Path) -> None:
    async def script(agent: ScriptedAgent) -> None:
        job = await agent.receive()
        agent.send("report", program=agent.program.decode(), job=job, sent=agent.files["a.whl"].data.decode())

    (tmp_path / "a.whl").write_bytes(b"wheel")
    async with talk(script, tmp_path) as conversation:
        await conversation.send_file(tmp_path / "a.whl")
        await conversation.send("build", python="3.13")
        report = await conversation.receive()
    job = {"kind": "build", "python": "3.13"}
    assert report.fields == {"kind": "report", "program": "program", "job": job, "sent": "wheel"}


async def test_files_before_a_message_are_in_the_outbox(tmp_path: Path) -> None:
    pieces = header(kind="file", name="a.whl", size=5), b"he", b"llo", header(kind="file", name="b", size=0)
    async with talk(sending(*pieces, header(kind="report", x=1)), tmp_path) as conversation:
        assert await conversation.receive() == Message(kind="report", fields={"kind": "report", "x": 1})
        assert conversation.files == {"a.whl": tmp_path / "a.whl", "b": tmp_path / "b"}
    assert (tmp_path / "a.whl").read_bytes() == b"hello"


@pytest.mark.parametrize(
    "line",
    [
        b"nonsense\n",
        b"\n",
        b"\xff\xfe\x00\n",
        b"[1]\n",
        b"null\n",
        b'{"no": "kind"}\n',
        b'{"kind": 5}\n',
        b'{"kind": ' + b"[" * 100_000 + b"\n",
        b'{"kind": "x", "n": ' + b"9" * 5000 + b"}\n",
        b'{"kind": "' + b"x" * (3 << 20) + b'"}\n',
        b"x" * (9 << 20),
    ],
    ids=["text", "empty", "binary", "list", "null", "kindless", "number", "deep", "huge-number", "long", "endless"],
)
async def test_header_that_is_not_of_the_form_is_refused(tmp_path: Path, line: bytes) -> None:
    assert "a header" in await refusal(tmp_path, line)


@pytest.mark.parametrize(("length", "apart"), [(1000, []), (100_000, ["a header of 100031 bytes"])])
async def test_long_header_is_read_apart(tmp_path: Path, length: int, apart: list[str]) -> None:
    parsers = InlineParsers()
    line = header(kind="report", text="x" * length)
    async with talk(sending(line), tmp_path, parsers=parsers) as conversation:
        assert len((await conversation.receive()).fields["text"]) == length
    assert parsers.read == apart


@pytest.mark.parametrize(
    "name",
    ["../x", "/etc/x", "a/b", ".", "..", "", "a\0b", "a\nb", "x" * 300, ".hidden", "-rf", "é.whl", "\ud800", 5, None],
)  # fmt: skip
async def test_name_that_no_wheel_has_is_refused_and_writes_nothing(tmp_path: Path, name: object) -> None:
    outbox = tmp_path / "outbox"
    outbox.mkdir()
    assert "is not a file name" in await refusal(outbox, header(kind="file", name=name, size=1), b"x")
    assert everything_below(tmp_path) == [outbox]


@pytest.mark.parametrize("size", [-1, "5", "9" * 5000, None, 1.5, [1], True])
async def test_size_that_is_none_is_refused_before_anything_is_read(tmp_path: Path, size: object) -> None:
    assert "which is no size" in await refusal(tmp_path, header(kind="file", name="a.whl", size=size))
    assert everything_below(tmp_path) == []


async def test_file_beyond_the_limit_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    for size in (1001, 10**400):
        async with talk(sending(header(kind="file", name="a.whl", size=size)), tmp_path) as conversation:
            with pytest.raises(OutputLimitError, match=r"and the limit is 1000.*WHEELYARD_LIMIT_WHEEL_BYTES"):
                await conversation.receive()
    assert everything_below(tmp_path) == []


async def test_all_files_together_stay_within_the_limit(tmp_path: Path) -> None:
    one, two = (header(kind="file", name=name, size=600) + b"x" * 600 for name in ("a", "b"))
    async with talk(sending(one, two), tmp_path) as conversation:
        with pytest.raises(OutputLimitError, match="it has 1200 bytes or more, and the limit is 1000"):
            await conversation.receive()


async def test_too_many_files_are_refused(tmp_path: Path) -> None:
    pieces = [header(kind="file", name=f"f{number}", size=0) for number in range(17)]
    assert "more than 16 files" in await refusal(tmp_path, *pieces)


async def test_file_that_comes_twice_is_refused(tmp_path: Path) -> None:
    piece = header(kind="file", name="a.whl", size=1) + b"x"
    assert "a.whl twice" in await refusal(tmp_path, piece, piece)


@pytest.mark.parametrize("code", [0, 1, 2, 134, 139])
async def test_sudden_end_is_refused_with_the_exit_code(tmp_path: Path, code: int) -> None:
    assert f"exit code {code} and without a report" in await refusal(tmp_path, code=code)


async def test_end_in_the_middle_of_a_file_is_noticed(tmp_path: Path) -> None:
    piece = header(kind="file", name="a.whl", size=5) + b"he"
    assert "without a report" in await refusal(tmp_path, piece, code=1)


@pytest.mark.parametrize("code", [-9, 75, 130, 137, 143])
async def test_container_that_was_ended_from_outside_is_not_blamed_on_the_project(tmp_path: Path, code: int) -> None:
    async with talk(sending(code=code), tmp_path) as conversation:
        with pytest.raises(ContainerLostError) as caught:
            await conversation.receive()
    assert (caught.value.stage, caught.value.exit_code, caught.value.retryable) == ("build", code, True)


async def test_killed_container_was_out_of_memory_if_the_engine_says_so(tmp_path: Path) -> None:
    async def script(agent: ScriptedAgent) -> None:
        agent.out_of_memory = True
        raise ContainerExitError(137)

    async with talk(script, tmp_path) as conversation:
        with pytest.raises(OutOfMemoryError) as caught:
            await conversation.receive()
    assert (caught.value.stage, caught.value.limit_bytes) == ("build", LIMITS.memory_bytes)


async def test_sending_to_a_container_that_is_gone_tells_how_it_ended(tmp_path: Path) -> None:
    async with talk(sending(code=1), tmp_path) as conversation:
        with pytest.raises(UntrustedOutputError, match="exit code 1"):  # noqa: PT012  when it notices is not promised
            for _ in range(100):
                await conversation.send("build")


async def test_text_that_no_database_holds_is_replaced(tmp_path: Path) -> None:
    line = header(kind="report", a="x\0y", b=["\ud800"], c={"\0": "\U0001f6de"})
    async with talk(sending(line), tmp_path) as conversation:
        fields = (await conversation.receive()).fields
    assert fields == {"kind": "report", "a": "x\ufffdy", "b": ["?"], "c": {"\ufffd": "\U0001f6de"}}


@pytest.mark.parametrize("value", [None, "text", {"a": 1}, [1], ["a", None]])
def test_field_that_is_no_list_of_text_is_an_error(value: object) -> None:
    with pytest.raises(ValueError, match="'names'"):
        Message(kind="report", fields={"names": value}).texts("names")


def test_list_of_text_is_given_as_it_is() -> None:
    assert Message(kind="report", fields={"names": ["a", "b"]}).texts("names") == ("a", "b")
