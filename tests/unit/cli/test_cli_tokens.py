"""How the list of tokens looks."""

from dataclasses import replace
from datetime import UTC, datetime

from wheelyard.cli.tokens import token_lines
from wheelyard.domain.access import Scope
from wheelyard.domain.builds.records import Token

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
ID = "0e3c2b1a-5a5e-4a0e-9d62-5f3f5a7a8b11"
TOKEN = Token(id=ID, name="release job", scope=Scope.PUBLISH, publishes=("acme-*", "tool"), created_at=NOON)


def test_token_is_listed_with_what_it_publishes() -> None:
    first, projects, times = token_lines(TOKEN)
    assert first == f"{ID}  publish  release job"
    assert projects == "  publishes acme-*, tool"
    assert times.endswith(", never used, never expires")


def test_other_scopes_publish_nothing_to_list() -> None:
    first, times = token_lines(replace(TOKEN, scope=Scope.READ, publishes=(), last_used_at=NOON, expires_at=NOON))
    assert first == f"{ID}  read     release job"
    assert ", used 2026-12-0" in times
    assert ", expires 2026-12-0" in times


def test_end_of_a_revoked_token_is_its_revocation() -> None:
    assert ", revoked 2026-12-0" in list(token_lines(replace(TOKEN, expires_at=NOON, revoked_at=NOON)))[-1]


def test_lines_fit_80_columns_and_no_name_is_cut() -> None:
    names = tuple(f"acme-project-number-{number}" for number in range(100))
    used = replace(TOKEN, publishes=names, last_used_at=NOON, expires_at=NOON)
    lines = list(token_lines(used))
    assert max(map(len, lines)) <= 80
    listed = " ".join(line.strip() for line in lines[1:-1]).removeprefix("publishes ").split(", ")
    assert tuple(listed) == names


def test_name_cannot_control_the_terminal() -> None:
    assert "\x1b" not in next(iter(token_lines(replace(TOKEN, name="a\x1b[2Jb"))))
