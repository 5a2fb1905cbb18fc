"""Create, list and revoke API tokens in the database that the settings name."""

import asyncio
import re
import textwrap
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from wheelyard.assembly.access import host_user, open_tokens
from wheelyard.cli.console import note, output, print_json
from wheelyard.cli.problem import ExitCode
from wheelyard.domain.access import Scope
from wheelyard.domain.builds.log_text import plain_text
from wheelyard.domain.builds.records import Token
from wheelyard.errors import InvalidRequestError
from wheelyard.settings import load_settings
from wheelyard.usecases.tokens import Tokens

T = TypeVar("T")
_SPAN: Final = re.compile(r"([1-9][0-9]{0,4})([hd])")
_UNITS: Final = {"h": timedelta(hours=1), "d": timedelta(days=1)}
_WIDTH: Final = 80


def create_token(name: str, *, scope: Scope, publishes: Sequence[str], expires: str | None, as_json: bool) -> ExitCode:
    """Create a token; print only its secret on standard output, so that a shell can capture it."""
    expires_at = None if expires is None else _end_of(expires)
    token, secret = _with_tokens(
        lambda tokens: tokens.create(
            name=name, scope=scope, publishes=publishes, expires_at=expires_at, created_by=host_user()
        )
    )
    if as_json:
        print_json({**asdict(token), "secret": secret})
        return ExitCode.OK
    allows = f"scope {token.scope.value}" + (f" for {', '.join(token.publishes)}" if token.publishes else "")
    note(f"token {token.id} for {token.name}, {allows}; the secret below is shown only once")
    output().print(secret, soft_wrap=True)
    return ExitCode.OK


def list_tokens(*, as_json: bool) -> ExitCode:
    """Print every token."""
    tokens = _with_tokens(lambda tokens: tokens.list_tokens())
    if as_json:
        print_json([asdict(token) for token in tokens])
    else:
        for line in (line for token in tokens for line in token_lines(token)):
            # Whole lines, because an id that a column cuts or folds cannot be copied.
            output().print(line, soft_wrap=True)
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


def token_lines(token: Token) -> Iterator[str]:
    """Yield the lines of a token in a list: id, scope and name, then its projects, then its times."""
    yield f"{token.id}  {token.scope.value:<7}  {plain_text(token.name)}"
    # A hyphen is part of a name, so no line ends at one.
    yield from textwrap.wrap(
        f"publishes {', '.join(token.publishes)}" if token.publishes else "",
        width=_WIDTH,
        initial_indent="  ",
        subsequent_indent="    ",
        break_on_hyphens=False,
        break_long_words=False,
    )
    used = f"used {_format_time(token.last_used_at)}" if token.last_used_at else "never used"
    yield f"  created {_format_time(token.created_at)}, {used}, {_end(token)}"


def _end(token: Token) -> str:
    if token.revoked_at is not None:
        return f"revoked {_format_time(token.revoked_at)}"
    return f"expires {_format_time(token.expires_at)}" if token.expires_at else "never expires"


def _format_time(time: datetime) -> str:
    return time.astimezone().strftime("%Y-%m-%d %H:%M")
