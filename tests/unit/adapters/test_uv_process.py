"""How uv ends decides whose fault it is: the index's, which may pass, or the requirements', which does not."""

import asyncio
import contextlib
import os
from pathlib import Path

import pytest
from tests.contract.samples import TARGET

from wheelyard.adapters.host.shared_work import FairSlots
from wheelyard.adapters.resolver import uv as uv_process
from wheelyard.adapters.resolver.uv import Question, UvProcess, UvResolverOptions
from wheelyard.errors import BuildRequirementsError, IndexUnavailableError, ResolverBusyError

QUESTION = Question(requirements=("demo",), constraints=(), target=TARGET)


def uv_that(  # noqa: PLR0913  options of uv
    does: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    timeout_seconds: float = 60,
    wait_seconds: float = 60,
    slots: FairSlots | None = None,
) -> UvProcess:
    program = folder / "uv"
    program.write_text(f"#!/bin/sh\ncat > /dev/null\necho error: it says >&2\n{does}\n")
    program.chmod(0o755)
    monkeypatch.setattr(uv_process, "find_uv_bin", lambda: str(program))
    options = UvResolverOptions(
        cache_dir=folder,
        environment={"PATH": "/usr/bin:/bin"},
        timeout_seconds=timeout_seconds,
        wait_seconds=wait_seconds,
        slots=slots or FairSlots(4),
    )
    return UvProcess(options)


async def test_index_that_cannot_be_reached_may_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(IndexUnavailableError, match="it says") as caught:
        await uv_that("exit 2", tmp_path, monkeypatch).compile(QUESTION)
    assert caught.value.retryable


@pytest.mark.parametrize(
    ("does", "reason"),
    [
        ("exit 1", "it says"),
        ("exit 101", "it says"),
        ("kill -6 $$", "signal 6"),
        ('echo "error: Couldn\'t parse requirement in \\`-\\` at position 4" >&2; exit 2', "at position 4"),
    ],
)
async def test_whatever_else_ends_it_is_not_tried_again(
    does: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BuildRequirementsError, match=reason) as caught:
        await uv_that(does, tmp_path, monkeypatch).compile(QUESTION)
    assert not caught.value.retryable


async def test_advice_on_options_of_uv_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    advice = "echo 'hint: found on the first index; use --index-strategy unsafe-best-match' >&2"
    with pytest.raises(BuildRequirementsError, match="it says") as caught:
        await uv_that(f"{advice}; exit 1", tmp_path, monkeypatch).compile(QUESTION)
    assert "hint" not in caught.value.reason


async def test_search_without_end_is_stopped_and_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BuildRequirementsError, match=r"was found within 0\.2 seconds") as caught:
        await uv_that("exec sleep 60", tmp_path, monkeypatch, timeout_seconds=0.2).compile(QUESTION)
    assert not caught.value.retryable


async def test_runs_of_all_resolvers_of_a_process_share_one_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slots, seen = FairSlots(2), tmp_path / "seen"
    count = f"ls {tmp_path}/run.* | wc -l >> {seen}"
    does = f"touch {tmp_path}/run.$$\n{count}\nsleep 0.05\nrm {tmp_path}/run.$$\necho"
    resolvers = [uv_that(does, tmp_path, monkeypatch, slots=slots) for _ in range(2)]
    runs = [uv.compile(QUESTION, asked_by=f"caller {number}") for number in range(4) for uv in resolvers]
    await asyncio.gather(*runs)
    at_once = [int(line) for line in seen.read_text().split()]
    assert (len(at_once), max(at_once)) == (8, 2)


async def test_caller_whose_turn_does_not_come_is_told_when_to_ask_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uv = uv_that("exec sleep 60", tmp_path, monkeypatch, slots=FairSlots(1), wait_seconds=0.05)
    holding = asyncio.create_task(uv.compile(QUESTION, asked_by="first"))
    await asyncio.sleep(0.05)
    with pytest.raises(ResolverBusyError) as caught:
        await uv.compile(QUESTION, asked_by="second")
    assert (caught.value.retryable, caught.value.retry_after_seconds) == (True, 30)
    holding.cancel()
    await asyncio.gather(holding, return_exceptions=True)


async def test_process_ends_with_whoever_waits_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = tmp_path / "pid"
    os.mkfifo(started)
    asking = asyncio.create_task(
        uv_that(f"echo $$ > {started}; exec sleep 60", tmp_path, monkeypatch).compile(QUESTION)
    )
    pid = int(await asyncio.to_thread(started.read_text))
    asking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asking
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_process_has_limits_of_memory_and_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = tmp_path / "limits"
    does = f"echo $(ulimit -d) $(ulimit -t) $(ulimit -c) > {told}\necho"
    await uv_that(does, tmp_path, monkeypatch, timeout_seconds=7).compile(QUESTION)
    assert told.read_text().split() == [str(2 << 20), "7", "0"]
