"""How often somebody may ask, and how much at the same time: one bucket, and one count, for each caller.

They are in this process's memory: several API processes allow as many times more, and a restart forgets them. That
is enough to keep one caller from starving the others, which is what the limit is for.
"""

import contextlib
import math
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from wheelyard.errors import TooManyRequestsError, TooMuchOpenError

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
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, caller: str) -> None:
        """Count one; raises TooManyRequestsError if there is none left."""
        self.check(caller)
        if self._per_minute:
            self._bucket(caller).level -= 1

    def check(self, caller: str) -> None:
        """Raise TooManyRequestsError if there is none left, without counting."""
        if not self._per_minute or (level := self._bucket(caller).level) >= 1:
            return
        seconds = math.ceil((1 - level) * _SECONDS_PER_MINUTE / self._per_minute)
        raise TooManyRequestsError(what=self._what, per_minute=self._per_minute, retry_after_seconds=seconds)

    def _bucket(self, caller: str) -> _Bucket:
        """Give the caller's bucket as full as it is now; the one that was used longest ago makes room for a new one."""
        now = self._elapsed()
        bucket = self._buckets.setdefault(caller, _Bucket(level=self._per_minute, filled_at=now))
        self._buckets.move_to_end(caller)
        while len(self._buckets) > _MOST_CALLERS:
            self._buckets.popitem(last=False)
        gained = (now - bucket.filled_at) * self._per_minute / _SECONDS_PER_MINUTE
        bucket.level, bucket.filled_at = min(self._per_minute, bucket.level + gained), now
        return bucket


class ParallelLimit:
    """Lets each caller do something so often at the same time; 0 is no limit."""

    def __init__(self, *, what: str, most: int, setting: str) -> None:
        self._what = what
        self._most = most
        self._setting = setting
        self._running: Counter[str] = Counter()

    def check(self, caller: str) -> None:
        """Raise TooMuchOpenError if there may be no further one now."""
        if self._most and self._running.get(caller, 0) >= self._most:
            raise TooMuchOpenError(what=self._what, limit=self._most, setting=self._setting, retry_after_seconds=5)

    @contextlib.contextmanager
    def hold(self, caller: str) -> Iterator[None]:
        """Count one for a block, checked or not."""
        self._running[caller] += 1
        try:
            yield
        finally:
            self._running[caller] -= 1
            if not self._running[caller]:
                del self._running[caller]
