"""How fast something may go: an outburst is free, what goes on and on keeps to a rate. Must not wait by itself."""

import time
from collections.abc import Callable


class Pace:
    """Tells whoever spends bytes how long to wait, so that he keeps to a rate (a leaky bucket, which holds a second).

    It reckons with time alone: nothing has to be filled up while nobody writes.
    """

    def __init__(self, bytes_per_second: int, *, elapsed: Callable[[], float] = time.monotonic) -> None:
        """Take the rate; what one second of it allows may also come at once."""
        self._bytes_per_second = bytes_per_second
        self._elapsed = elapsed
        self._paid_until = elapsed() - 1.0

    def spend(self, count: int) -> float:
        """Return the seconds to wait before more is spent; 0 for whoever is within the rate."""
        now = self._elapsed()
        self._paid_until = max(self._paid_until, now - 1.0) + count / self._bytes_per_second
        return max(self._paid_until - now, 0.0)
