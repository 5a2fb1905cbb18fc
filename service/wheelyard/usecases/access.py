"""Decide whether a request is answered: who the caller is, what its token allows, and how often it may ask."""

import asyncio
import contextlib
import math
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from wheelyard.domain.access import Scope
from wheelyard.domain.builds.records import Token
from wheelyard.errors import ForbiddenError, TooManyRequestsError, TooMuchOpenError, UnauthenticatedError
from wheelyard.usecases.tokens import Tokens, digest_secret

_SECONDS_PER_MINUTE: Final = 60.0
_MOST_CALLERS: Final = 10_000


@dataclass(slots=True)
class _Bucket:
    level: float
    filled_at: float


class RequestLimit:
    """Lets each caller do something ``per_minute`` times a minute, after a burst of as many; 0 is no limit."""

    def __init__(self, *, what: str, per_minute: int, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._what = what
        self._per_minute = per_minute
        self._elapsed = elapsed
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, caller: str, amount: float = 1) -> None:
        """Count one use, or an amount; raise TooManyRequestsError if none is left. Threads may call it."""
        with self._lock:
            self._check(caller)
            if self._per_minute:
                self._bucket(caller).level -= amount

    def check(self, caller: str) -> None:
        """Raise TooManyRequestsError if no use is left, without counting one."""
        with self._lock:
            self._check(caller)

    def _check(self, caller: str) -> None:
        if not self._per_minute or (level := self._bucket(caller).level) >= 1:
            return
        seconds = math.ceil((1 - level) * _SECONDS_PER_MINUTE / self._per_minute)
        raise TooManyRequestsError(what=self._what, per_minute=self._per_minute, retry_after_seconds=seconds)

    def _bucket(self, caller: str) -> _Bucket:
        """Return the caller's bucket, filled up to now; a new bucket replaces the one that was unused longest."""
        now = self._elapsed()
        bucket = self._buckets.setdefault(caller, _Bucket(level=self._per_minute, filled_at=now))
        self._buckets.move_to_end(caller)
        while len(self._buckets) > _MOST_CALLERS:
            self._buckets.popitem(last=False)
        gained = (now - bucket.filled_at) * self._per_minute / _SECONDS_PER_MINUTE
        bucket.level, bucket.filled_at = min(self._per_minute, bucket.level + gained), now
        return bucket


class ParallelLimit:
    """Limits how often each caller does something at the same time; 0 is no limit."""

    def __init__(self, *, what: str, most: int, setting: str, whose: str = "One token") -> None:
        self._whose = whose
        self._what = what
        self._most = most
        self._setting = setting
        self._running: Counter[str] = Counter()

    def check(self, caller: str) -> None:
        """Raise TooMuchOpenError if the caller may not begin another one now."""
        if self._most and self._running.get(caller, 0) >= self._most:
            raise TooMuchOpenError(
                what=self._what, limit=self._most, setting=self._setting, retry_after_seconds=5, whose=self._whose
            )

    @contextlib.contextmanager
    def hold(self, caller: str) -> Iterator[None]:
        """Count one for the length of a block, whether checked or not."""
        self._running[caller] += 1
        try:
            yield
        finally:
            self._running[caller] -= 1
            if not self._running[caller]:
                del self._running[caller]


ANONYMOUS: Final = Token(
    id="anonymous", name="anonymous", scope=Scope.READ, created_at=datetime.fromtimestamp(0, tz=UTC)
)
"""The caller without a token, where reading needs none; it is not stored."""
_MOST_KNOWN: Final = 10_000
_DOUBTFUL_AT_ONCE: Final = 2
"""Look-ups at the same time for addresses that have shown too many wrong tokens. A flood of guesses must not
occupy the database."""


class Access:
    """Checks every request under /v1 and for the index, and every sign-in."""

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
        """Limits the requests that are answered at the same time, by token."""
        self.streams = streams or ParallelLimit(what="streams", most=0, setting="")
        """Limits the logs and requests that are followed at the same time, by token."""
        self._anonymous_read = anonymous_read
        self._right: OrderedDict[str, None] = OrderedDict()
        """Digests of tokens that were valid at their last look-up."""
        self._doubtful = asyncio.Semaphore(_DOUBTFUL_AT_ONCE)

    async def admit(self, authorization: str | None, *, needed: Scope, address: str) -> Token:
        """Authenticate a request, check its scope and count it.

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
        """Allow a request to read the index, and return who counts as the caller.

        Installers send bursts of requests, so they have a limit of their own. Raises UnauthenticatedError unless
        reading is open to everybody, and TooManyRequestsError.
        """
        caller = address if is_open else (await self.recognise(authorization, address)).id
        self._index_reads.take(caller)
        return caller

    def count(self, token: Token) -> None:
        """Count a request that a session authenticates; raise TooManyRequestsError."""
        self._requests.take(token.id)

    async def check_secret(self, secret: str, *, address: str) -> Token:
        """Return the token of a secret at sign-in; raise UnauthenticatedError or TooManyRequestsError."""
        return await self.recognise(f"Bearer {secret}", address)

    async def recognise(self, authorization: str | None, address: str) -> Token:
        """Return the token that a request shows, without counting the request.

        A valid token is never refused, whatever else its address has shown: many callers may share one address.

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
        """Delay look-ups for an address that has shown too many wrong tokens, unless this one was valid before.

        The delay costs time. It never changes the answer.
        """
        try:
            self._failures.check(address)
        except TooManyRequestsError:
            async with contextlib.nullcontext() if shown in self._right else self._doubtful:
                yield
        else:
            yield


def allowed(token: Token, needed: Scope) -> Token:
    """Return the token if it has the scope; raise ForbiddenError, or UnauthenticatedError if there is no token."""
    if token.scope.allows(needed):
        return token
    if token is ANONYMOUS:
        raise UnauthenticatedError(reason="only reading is open without a token here")
    raise ForbiddenError(needed=needed.value, granted=token.scope.value)
