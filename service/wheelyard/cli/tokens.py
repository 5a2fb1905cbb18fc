"""Make, list and end API tokens in the database that the settings name. Must not keep a secret anywhere."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from rich.table import Table

from wheelyard.cli.console import note, output, print_json
from wheelyard.cli.exit_codes import ExitCode
from wheelyard.domain.ledger import Token
from wheelyard.settings import load_settings
from wheelyard.usecases.tokens import Tokens
from wheelyard.wiring import open_tokens

T = TypeVar("T")


def create_token(name: str, *, days: int | None, as_json: bool) -> ExitCode:
    """Make a token; only its secret goes to standard output, so that a shell can take it."""
    expires_at = datetime.now(UTC) + timedelta(days=days) if days is not None else None
    token, secret = _with_tokens(lambda tokens: tokens.create(name=name, expires_at=expires_at))
    if as_json:
        print_json({**asdict(token), "secret": secret})
        return ExitCode.OK
    note(f"token {token.id} for {token.name}; the secret below is shown this once")
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
    """End a token."""
    token = _with_tokens(lambda tokens: tokens.revoke(token_id))
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


def _table(tokens: Iterable[Token]) -> Table:
    table = Table("ID", "NAME", "CREATED", "EXPIRES", "LAST USED", "REVOKED", box=None, pad_edge=False)
    for token in tokens:
        times = (token.created_at, token.expires_at, token.last_used_at, token.revoked_at)
        table.add_row(token.id, token.name, *map(_format_time, times))
    return table


def _format_time(time: datetime | None) -> str:
    return time.astimezone().strftime("%Y-%m-%d %H:%M") if time else "-"
