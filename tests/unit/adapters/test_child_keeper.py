"""A server of our own that ends by itself is started again, again and again, and not in a hurry if it will not stay."""

import asyncio
from pathlib import Path

import pytest

from wheelyard.adapters.servers.keeper import keep_running, keeping
from wheelyard.errors import ServiceStartError


class FrailServer:
    """Starts when it is asked to, unless it fails first."""

    def __init__(self, *, failures: int = 0) -> None:
        self.pid: int | None = 1
        self.starts = 0
        self.failures = failures
        self.error: Exception = ServiceStartError(service="frail", reason="it will not", log=Path("frail.log"))
        self.up = asyncio.Event()

    def die(self) -> None:
        self.pid = None
        self.up.clear()

    async def restart(self) -> None:
        self.starts += 1
        if self.starts <= self.failures:
            raise self.error
        self.pid = self.starts + 1
        self.up.set()


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Note every pause and let none of them take time."""
    real, noted = asyncio.sleep, list[float]()

    async def sleep(seconds: float) -> None:
        noted.append(seconds)
        await real(0)

    monkeypatch.setattr("wheelyard.adapters.servers.keeper.asyncio.sleep", sleep)
    return noted


async def test_server_that_dies_is_started_again_each_time(pauses: list[float]) -> None:
    server = FrailServer()
    keeping = asyncio.create_task(keep_running("frail", server, look_seconds=7, elapsed=lambda: 0.0))
    for expected in (2, 3):
        server.die()
        await asyncio.wait_for(server.up.wait(), 10)
        assert server.pid == expected
    keeping.cancel()
    assert [pause for pause in pauses if pause != 7] == [0.0, 0.5]


async def test_error_of_the_block_passes_as_it_is() -> None:
    server = FrailServer()
    with pytest.raises(KeyError, match="its own"):
        async with keeping("frail", server):
            raise KeyError("its own")
    server.die()
    await asyncio.sleep(0)
    assert server.starts == 0, "nobody keeps it any more"


async def test_server_that_will_not_start_is_tried_at_growing_intervals(pauses: list[float]) -> None:
    server = FrailServer(failures=9)
    server.die()
    keeping = asyncio.create_task(keep_running("frail", server, look_seconds=7, elapsed=lambda: 0.0))
    await asyncio.wait_for(server.up.wait(), 10)
    keeping.cancel()
    assert [pause for pause in pauses if pause != 7] == [0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


async def test_error_that_nobody_expected_does_not_end_the_keeper(pauses: list[float]) -> None:
    server = FrailServer(failures=2)
    server.error = OSError(28, "No space left on device")
    keeper = asyncio.create_task(keep_running("frail", server, look_seconds=7, elapsed=lambda: 0.0))
    server.die()
    await asyncio.wait_for(server.up.wait(), 10)
    keeper.cancel()
    assert server.starts == 3
    assert pauses
