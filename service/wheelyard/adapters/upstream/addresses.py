"""Files at addresses that requirements files and locks name, from the hosts that the operator lists.

No host is asked that is not listed, also not by a redirect, and no file is larger or slower than the operator allows.
"""

import asyncio
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urljoin

import httpx

from wheelyard.adapters.upstream.cache import ContentCache, PartialFile
from wheelyard.adapters.upstream.http import STORED_BYTES, download_failed, explain, open_client, retrying, save_body
from wheelyard.domain.builds.file_source import ADDRESS_SCHEME, FileHosts
from wheelyard.domain.packaging.release import IndexFile
from wheelyard.memory_cache import SingleFlight

_MAX_REDIRECTS: Final = 5
_MAX_FETCHES: Final = 4
"""Fetches at the same time in one process."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AddressOptions:
    """Which hosts are asked, and the limits of what is fetched."""

    hosts: FileHosts
    limit_bytes: int
    ca_bundle: Path | None = None
    """PEM file to trust instead of the system's certificates."""
    silent_seconds: float = 30.0
    """How long a host may stay silent."""
    most_seconds: float = 300.0
    """How long a file may take, with its redirects and further tries."""
    retry_pauses: tuple[float, ...] = (0.2, 0.8, 2.4)


class FileAddresses:
    """Fetches files with ``address:https://…`` URLs into the content cache."""

    def __init__(self, options: AddressOptions, cache: ContentCache) -> None:
        self._options = options
        self._cache = cache
        self._turns = asyncio.Semaphore(_MAX_FETCHES)
        self._fetching: SingleFlight[tuple[str, str], Path] = SingleFlight()

    async def fetch(self, file: IndexFile) -> Path:
        """Return a file in the cache, after checking its sha256.

        Raise FileHostRefusedError, HashMismatchError, DownloadFailedError or DiskFullError. No partial file remains.
        """
        address = self._options.hosts.check(file.url.removeprefix(f"{ADDRESS_SCHEME}:"))
        return await self._fetching.run((file.sha256, file.filename), functools.partial(self._obtain, file, address))

    async def _obtain(self, file: IndexFile, address: str) -> Path:
        if (known := await asyncio.to_thread(self._cache.find, file)) is not None:
            return known
        await asyncio.to_thread(self._cache.check_room, file.size_bytes or 0)
        options = self._options
        try:
            async with self._turns, asyncio.timeout(options.most_seconds):
                return await retrying(functools.partial(self._ask, file, address), pauses=options.retry_pauses)
        except TimeoutError as error:
            raise download_failed(file, f"it did not come within {options.most_seconds:g} seconds") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise download_failed(file, explain(error)) from error

    async def _ask(self, file: IndexFile, address: str) -> Path:
        """Follow an address to its file; a client of its own keeps no cookie for the next one."""
        options = self._options
        async with open_client(ca_bundle=options.ca_bundle, timeout_seconds=options.silent_seconds) as client:
            for _ in range(_MAX_REDIRECTS + 1):
                async with client.stream("GET", address, headers=STORED_BYTES, follow_redirects=False) as response:
                    if not response.has_redirect_location:
                        response.raise_for_status()
                        return await self._save(response, file)
                    address = options.hosts.check(urljoin(address, response.headers["Location"]), redirected=True)
        raise download_failed(file, f"it redirects more than {_MAX_REDIRECTS} times")

    async def _save(self, response: httpx.Response, file: IndexFile) -> Path:
        partial = PartialFile(self._cache, file)
        try:
            await save_body(response, partial, file, limit_bytes=self._options.limit_bytes)
            return await asyncio.to_thread(partial.keep)
        finally:
            partial.discard()
