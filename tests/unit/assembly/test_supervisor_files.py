"""The files that ``wheelyard up`` leaves for the command line: private, complete, and gone or renewed in time."""

import json
import os
import secrets
import socket
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.fakes.access import MemoryTokens
from tests.fakes.records import MemoryState

from wheelyard.adapters.host.state_dir import StateDir
from wheelyard.assembly.supervisor import _announced, _ensure_first_token
from wheelyard.settings import Settings
from wheelyard.usecases.tokens import Tokens

INDEX = "http://127.0.0.1:3141/wheels/prod"


class Listener(socket.socket):
    """A socket that was never opened to anybody."""

    def getsockname(self) -> tuple[str, int]:
        return "127.0.0.1", 8217


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(state_dir=tmp_path)


@pytest.fixture
def tokens() -> Tokens:
    state = MemoryState(clock=lambda: datetime.now(UTC))
    return Tokens(store=MemoryTokens(state), new_secret=lambda: secrets.token_hex(8))


def mode_of(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def test_addresses_are_told_and_in_a_private_file_as_long_as_they_hold(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    file = StateDir(settings.state_dir).api
    with Listener() as listener, _announced(settings, listener, INDEX):
        facts = json.loads(file.read_text())
        assert facts == {"url": "http://127.0.0.1:8217", "index_url": INDEX, "pid": os.getpid()}
        assert mode_of(file) == 0o600
    assert not file.exists()
    said = capsys.readouterr().out
    for text in ("http://127.0.0.1:8217", "http://127.0.0.1:8217/docs", f"{INDEX}/+simple/", str(settings.state_dir)):
        assert text in said


def test_addresses_are_withdrawn_when_the_service_fails(settings: Settings) -> None:
    with pytest.raises(KeyError), Listener() as listener, _announced(settings, listener, INDEX):
        raise KeyError
    assert list(settings.state_dir.iterdir()) == []


async def test_first_token_is_private_and_opens(settings: Settings, tokens: Tokens) -> None:
    await _ensure_first_token(settings, tokens)
    file = StateDir(settings.state_dir).token
    assert mode_of(file) == 0o600
    secret = file.read_text()
    assert secret.endswith("\n")
    assert (await tokens.authenticate(f"Bearer {secret.strip()}")).name == "first token"


async def test_token_that_still_opens_is_kept(settings: Settings, tokens: Tokens) -> None:
    await _ensure_first_token(settings, tokens)
    before = StateDir(settings.state_dir).token.read_text()
    await _ensure_first_token(settings, tokens)
    assert StateDir(settings.state_dir).token.read_text() == before


@pytest.mark.parametrize("left", ["wy_of_another_database\n", "", "no token at all\n"])
async def test_token_that_opens_nothing_is_renewed(settings: Settings, tokens: Tokens, left: str) -> None:
    file = StateDir(settings.state_dir).token
    file.write_text(left)
    file.chmod(0o644)
    await _ensure_first_token(settings, tokens)
    assert (await tokens.authenticate(f"Bearer {file.read_text().strip()}")).name == "first token"
    assert mode_of(file) == 0o600


async def test_secret_is_not_told_on_the_terminal(
    settings: Settings, tokens: Tokens, capsys: pytest.CaptureFixture[str]
) -> None:
    await _ensure_first_token(settings, tokens)
    said = capsys.readouterr()
    assert StateDir(settings.state_dir).token.read_text().strip() not in said.out + said.err
