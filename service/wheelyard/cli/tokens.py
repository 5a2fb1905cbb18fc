"""Create, list and revoke API tokens in the database that the settings name."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from rich.table import Table

from wheelyard.assembly.access import host_user, open_tokens
from wheelyard.cli.console import note, output, print_json
from wheelyard.cli.problem import ExitCode
from wheelyard.domain.access import Scope
from wheelyard.domain.builds.records import Token
from wheelyard.errors import InvalidRequestError
from wheelyard.settings import load_settings
from wheelyard.usecases.tokens import Tokens

T = TypeVar("T")
_SPAN: Final = re.compile(r"([1-9][0-9]{0,4})([hd])")
_UNITS: Final = {"h": timedelta(hours=1), "d": timedelta(days=1)}


def create_token(name: str, *, scope: Scope, expires: str | None, as_json: bool) -> ExitCode:
    """Create a token; print only its secret on standard output, so that a shell can capture it."""
    expires_at = None if expires is None else _end_of(expires)
    token, secret = _with_tokens(
        lambda tokens: tokens.create(name=name, scope=scope, expires_at=expires_at, created_by=host_user())
    )
    if as_json:
        print_json({**asdict(token), "secret": secret})
        return ExitCode.OK
    note(f"token {token.id} for {token.name}, scope {token.scope.value}; the secret below is shown only once")
    output().print(secret, soft_wrap=True)
    return ExitCode.OK


def list_tokens(*, as_json: bool) -> ExitCode:
    """Print every token."""
    tokens = _with_tokens(lambda tokens: tokens.list_tokens())
    if as_json:
        print_json([asdict(token) for token in tokens])
    else:
        output().print(_table(tokens))
    return ExitCode.OK


def revoke_token(token_id: str, *, as_json: bool) -> ExitCode:
    """Revoke a token."""
    token = _with_tokens(lambda tokens: tokens.revoke(token_id, revoked_by=host_user()))
    if as_json:
        print_json(asdict(token))
    else:
        note(f"token {token.id} for {token.name} is revoked")
    return ExitCode.OK


def _with_tokens(act: Callable[[Tokens], Awaitable[T]]) -> T:
    async def run() -> T:
        async with open_tokens(load_settings()) as tokens:
            return await act(tokens)

    return asyncio.run(run())


def _end_of(text: str) -> datetime:
    """Return the end of a lifetime from now, such as ``90d``; raise InvalidRequestError."""
    found = _SPAN.fullmatch(text)
    if found is None:
        raise InvalidRequestError(problems=[f"--expires {text}: give a number of hours or days, such as 12h or 90d"])
    return datetime.now(UTC) + int(found[1]) * _UNITS[found[2]]


def _table(tokens: Iterable[Token]) -> Table:
    table = Table("ID", "NAME", "SCOPE", "CREATED", "EXPIRES", "LAST USED", "REVOKED", box=None, pad_edge=False)
    for token in tokens:
        times = (token.created_at, token.expires_at, token.last_used_at, token.revoked_at)
        table.add_row(token.id, token.name, token.scope.value, *map(_format_time, times))
    return table


def _format_time(time: datetime | None) -> str:
    return time.astimezone().strftime("%Y-%m-%d %H:%M") if time else "-"
