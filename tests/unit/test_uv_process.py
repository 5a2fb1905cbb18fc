"""How uv ends decides whose fault it is: the index's, which may pass, or the requirements', which does not."""

from pathlib import Path

import pytest
from tests.contract.samples import TARGET

from wheelyard.adapters import uv_process
from wheelyard.adapters.uv_process import Question, UvProcess, UvResolverOptions
from wheelyard.errors import BuildRequirementsError, IndexUnavailableError

QUESTION = Question(requirements=("demo",), constraints=(), target=TARGET)


def uv_that(does: str, folder: Path, monkeypatch: pytest.MonkeyPatch, *, timeout_seconds: float = 60) -> UvProcess:
    program = folder / "uv"
    program.write_text(f"#!/bin/sh\ncat > /dev/null\necho error: it says >&2\n{does}\n")
    program.chmod(0o755)
    monkeypatch.setattr(uv_process, "find_uv_bin", lambda: str(program))
    options = UvResolverOptions(
        cache_dir=folder, environment={"PATH": "/usr/bin:/bin"}, timeout_seconds=timeout_seconds
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
