"""Keep leases while this process cannot, by a child that beats over a connection of its own.

See ``lease_keeper_child.py`` for when it beats, and docs/decisions/0027 for why it is a process.
"""

import asyncio
import contextlib
import fcntl
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Final, Self

from wheelyard.adapters.host.process import inherited_environment
from wheelyard.domain.builds.records import Claim
from wheelyard.logs import get_logger

_TICK_SECONDS: Final = 0.5
_RESTART_SECONDS: Final = 1.0
_END_SECONDS: Final = 5.0
PATIENCE_SECONDS: Final = 120.0
"""How long a silent event loop counts as alive. Nothing that the worker parses takes so long."""
_BLOCK_BYTES: Final = 1 << 16
_PIPE_BYTES: Final = 1 << 20
_CHILD: Final = "wheelyard.adapters.store.lease_keeper_child"
_log = get_logger(__name__)


class LeaseKeeper:
    """The child and its reports; an asynchronous context manager, which ends it."""

    def __init__(
        self,
        *,
        conninfo: str,
        worker: str,
        lease_seconds: float,
        statements: Mapping[str, bytes],
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        """Set the database, and the statements ``beat`` and ``note_death`` for it."""
        self._setup = {
            "conninfo": conninfo,
            "worker": worker,
            "begun": time.monotonic(),
            "lease_seconds": lease_seconds,
            "quiet_seconds": min(4 * _TICK_SECONDS, lease_seconds / 4),
            "patience_seconds": patience_seconds,
            **{name: statement.decode() for name, statement in statements.items()},
        }
        self._held: dict[tuple[str, int], float] = {}
        """When the child last extended each lease, by the monotonic clock; 0 means never."""
        self._child: asyncio.subprocess.Process | None = None
        self._reports = -1
        """Descriptor of the pipe that the child writes to."""
        self._rest = b""
        self._keeping: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._keeping = asyncio.create_task(self._keep(), name="lease-keeper")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)

    @contextlib.contextmanager
    def holding(self, claim: Claim) -> Iterator[None]:
        """Have the lease of a claim kept while the block lasts."""
        key = (claim.build_id, claim.attempt)
        self._held[key] = 0.0
        self._send(hold=key)
        try:
            yield
        finally:
            del self._held[key]
            self._send(release=key)

    def last_beat(self, claim: Claim) -> float:
        """Return when the child last extended a lease. The value is right even after this process was stopped."""
        self._listen()
        return self._held.get((claim.build_id, claim.attempt), 0.0)

    async def _keep(self) -> None:
        """Start the child, send it signs of life, and start another one if it ends."""
        while True:
            child = await self._start()
            try:
                while child.returncode is None:
                    self._send()
                    self._listen()
                    await asyncio.sleep(_TICK_SECONDS)
                _log.error("lease-keeper-ended", exit_code=child.returncode)
            except asyncio.CancelledError:
                await asyncio.shield(self._end(child))
                raise
            finally:
                self._child = None
                os.close(self._reports)
            await asyncio.sleep(_RESTART_SECONDS)

    async def _start(self) -> asyncio.subprocess.Process:
        self._rest = b""
        self._reports, written = os.pipe()
        os.set_blocking(self._reports, False)
        with contextlib.suppress(OSError):  # a system may allow less; the default holds minutes of a few builds
            fcntl.fcntl(written, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        try:
            self._child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", _CHILD),
                stdin=asyncio.subprocess.PIPE,
                stdout=written,
                env=inherited_environment(),
                start_new_session=True,
            )
        finally:
            os.close(written)
        # Not in the command line, which every user of the host can read: the database's address has a password.
        self._send(setup=self._setup)
        for key in self._held:
            self._send(hold=key)
        return self._child

    async def _end(self, child: asyncio.subprocess.Process) -> None:
        self._send(bye=True)
        if child.stdin is not None:
            child.stdin.close()
        try:
            async with asyncio.timeout(_END_SECONDS):
                await child.wait()
        except TimeoutError:
            child.kill()
            await child.wait()

    def _send(self, **what: Any) -> None:  # noqa: ANN401  any JSON value
        """Send the child a message; an empty one means that the event loop runs."""
        if self._child is not None and self._child.stdin is not None and not self._child.stdin.is_closing():
            self._child.stdin.write(json.dumps(what).encode() + b"\n" if what else b"\n")

    def _listen(self) -> None:
        """Read what the child has sent, without waiting."""
        if self._child is None:
            return
        with contextlib.suppress(BlockingIOError):
            while block := os.read(self._reports, _BLOCK_BYTES):
                *lines, self._rest = (self._rest + block).split(b"\n")
                for build_id, attempt, sent in map(json.loads, lines):
                    if (build_id, attempt) in self._held:
                        self._held[build_id, attempt] = sent
