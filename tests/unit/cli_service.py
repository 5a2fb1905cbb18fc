"""The real API on in-memory stores, with something to show, in front of which the command line is tested."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
from structlog.testing import capture_logs
from tests.unit.cli_harness import client_of
from tests.unit.web_harness import WebHarness, furnish, web_harness

from wheelyard.cli.client import WheelyardClient


class Service:
    """The API with something to show, asked from outside of its event loop."""

    def __init__(self, folder: Path) -> None:
        self._loop = asyncio.new_event_loop()
        self._opened = web_harness(folder)
        self.harness: WebHarness = self.run(self._opened.__aenter__())
        self.ids: dict[str, str] = self.run(furnish(self.harness))
        self.client: WheelyardClient = client_of(self._answer)

    def run(self, wanted: Any) -> Any:  # noqa: ANN401  whatever the coroutine gives
        return self._loop.run_until_complete(wanted)

    def close(self) -> None:
        self.run(self._opened.__aexit__(None, None, None))
        self._loop.close()

    def _answer(self, request: httpx.Request) -> httpx.Response:
        with capture_logs():  # what the service says is not what the command prints
            response = self.run(self._pass_on(request))
        return httpx.Response(response.status_code, content=response.content)

    async def _pass_on(self, request: httpx.Request) -> httpx.Response:
        headers = {name: request.headers[name] for name in ("Content-Type",) if name in request.headers}
        path = request.url.raw_path.decode()
        return await self.harness.api.client.request(request.method, path, content=request.content, headers=headers)
