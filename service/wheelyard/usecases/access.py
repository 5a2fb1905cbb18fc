"""Decide whether a request is answered: who asks, what that opens, and how often. Must not know HTTP's routes."""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Final

from wheelyard.domain.access import Scope
from wheelyard.domain.builds.records import Token
from wheelyard.errors import ForbiddenError, TooManyRequestsError, UnauthenticatedError
from wheelyard.usecases.request_limits import ParallelLimit, RequestLimit
from wheelyard.usecases.tokens import Tokens, digest_secret

ANONYMOUS: Final = Token(
    id="anonymous", name="anonymous", scope=Scope.READ, created_at=datetime.fromtimestamp(0, tz=UTC)
)
"""Whoever shows no token where reading needs none; it is in no store."""
_MOST_KNOWN: Final = 10_000
_DOUBTFUL_AT_ONCE: Final = 2
"""Look-ups for addresses that have shown too many wrong tokens, so that a flood of guesses leaves the database to
others."""


class Access:
    """What every request under /v1 and for the index, and every sign-in, goes through."""

    def __init__(  # noqa: PLR0913  one limit for each thing that is limited
        self,
        *,
        tokens: Tokens,
        requests: RequestLimit,
        index_reads: RequestLimit,
        failures: RequestLimit,
        running: ParallelLimit | None = None,
        streams: ParallelLimit | None = None,
        anonymous_read: bool = False,
    ) -> None:
        self._tokens = tokens
        self._requests = requests
        self._index_reads = index_reads
        self._failures = failures
        self.running = running or ParallelLimit(what="requests", most=0, setting="")
        """Of requests that are being answered, by token."""
        self.streams = streams or ParallelLimit(what="streams", most=0, setting="")
        """Of followed logs and requests, by token."""
        self._anonymous_read = anonymous_read
        self._right: OrderedDict[str, None] = OrderedDict()
        """Digests of what was right when it was last looked up."""
        self._doubtful = asyncio.Semaphore(_DOUBTFUL_AT_ONCE)

    async def admit(self, authorization: str | None, *, needed: Scope, address: str) -> Token:
        """Let a request through.

        Args:
            authorization: the ``Authorization`` header.
            needed: the scope that the route needs.
            address: where the request comes from.

        Raises:
            UnauthenticatedError: it shows no valid token.
            ForbiddenError: the token does not open the route.
            TooManyRequestsError: the token, or the address, has asked too often or shown too many wrong tokens.
        """
        if not authorization and self._anonymous_read:
            self._requests.take(address)
            return allowed(ANONYMOUS, needed)
        token = await self.recognise(authorization, address)
        self._requests.take(token.id)
        return allowed(token, needed)

    async def admit_reader(self, authorization: str | None, *, address: str, is_open: bool) -> str:
        """Let somebody read the index, and say who counts as the caller.

        Installers come in bursts, so they have a limit of their own. Raises UnauthenticatedError unless reading is open
        to everybody, and TooManyRequestsError.
        """
        caller = address if is_open else (await self.recognise(authorization, address)).id
        self._index_reads.take(caller)
        return caller

    def count(self, token: Token) -> None:
        """Count a request of somebody who is known by a session; raises TooManyRequestsError."""
        self._requests.take(token.id)

    async def check_secret(self, secret: str, *, address: str) -> Token:
        """Recognise a secret that somebody signs in with; raises UnauthenticatedError or TooManyRequestsError."""
        return await self.recognise(f"Bearer {secret}", address)

    async def recognise(self, authorization: str | None, address: str) -> Token:
        """Tell whose token a request shows, without counting the request.

        A right token is never refused, whatever else its address has shown: many callers may share one.

        Raises UnauthenticatedError, or instead of it TooManyRequestsError after too many wrong tokens.
        """
        if not authorization:
            return await self._tokens.authenticate(authorization)
        shown = digest_secret(authorization)
        async with self._look_up(address, shown):
            try:
                token = await self._tokens.authenticate(authorization)
            except UnauthenticatedError:
                self._right.pop(shown, None)
                self._failures.take(address)
                raise
        self._right[shown] = None
        self._right.move_to_end(shown)
        if len(self._right) > _MOST_KNOWN:
            self._right.popitem(last=False)
        return token

    @contextlib.asynccontextmanager
    async def _look_up(self, address: str, shown: str) -> AsyncIterator[None]:
        """Let look-ups for an address wait that has shown too many wrong tokens, unless this one was right before.

        It costs time, never the answer.
        """
        try:
            self._failures.check(address)
        except TooManyRequestsError:
            async with contextlib.nullcontext() if shown in self._right else self._doubtful:
                yield
        else:
            yield


def allowed(token: Token, needed: Scope) -> Token:
    """Return the token if it has the scope; raises ForbiddenError, or UnauthenticatedError if there is no token."""
    if token.scope.allows(needed):
        return token
    if token is ANONYMOUS:
        raise UnauthenticatedError(reason="only reading is open without a token here")
    raise ForbiddenError(needed=needed.value, granted=token.scope.value)
