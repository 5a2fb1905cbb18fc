"""The pages of our index for installers, made at the first request and cached until they change.

Before each answer the store is asked what has changed. That result is trusted for 25 ms, so that a page is never older
than that, however many requests come at once. Changes that this process makes show at once: ``doubt``.
"""

import asyncio
import gzip
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from packaging.utils import canonicalize_name

from wheelyard.domain.index.index import Level
from wheelyard.domain.index.simple_format import (
    NO_OWN_PROJECTS,
    Form,
    Places,
    write_names,
    write_namespace,
    write_namespaces,
    write_project,
)
from wheelyard.domain.index.wheels import Listing
from wheelyard.domain.packaging.own_projects import OwnProjects
from wheelyard.errors import NotFoundError
from wheelyard.interfaces import WheelStore
from wheelyard.memory_cache import MemoryCache

_KEPT_PAGES: Final = 4096
TRUSTED_SECONDS: Final = 0.025
_GZIP_LEVEL: Final = 6
_WORTH_PACKING: Final = 1024
# Relative to a project's page, so that a proxy may put any prefix before both. The pages below /staging and /own are a
# level deeper.
_PLACES: Final = Places()
_DEEPER: Final = Places(files="../../../files", integrity="../../../integrity")
_EVERYTHING: Final = Listing()
"""Without targets no wheel replaces another."""
_ALL: Final = ""
"""The key of the list of all projects, in the place of a project's name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SimplePage:
    """A page, ready to be sent."""

    form: Form
    body: bytes
    packed: bytes | None
    """The body as gzip, if that is smaller."""
    etag: str
    """Digest of the body."""

    @classmethod
    def of(cls, form: Form, body: bytes) -> "SimplePage":
        """Return the page of a text."""
        packed = gzip.compress(body, _GZIP_LEVEL, mtime=0) if len(body) >= _WORTH_PACKING else None
        return cls(form=form, body=body, packed=packed, etag=hashlib.sha256(body).hexdigest()[:32])


class SimplePages:
    """The use case behind ``/simple/``."""

    def __init__(
        self,
        store: WheelStore,
        *,
        listing: Listing = _EVERYTHING,
        own: OwnProjects = NO_OWN_PROJECTS,
        public_url: str | None = None,
        trusted_seconds: float = TRUSTED_SECONDS,
    ) -> None:
        self._store = store
        self._listing = listing
        self._own = own
        self._public_url = public_url
        self._freshness = Freshness(store, self._forget, trusted_seconds)
        self._pages: MemoryCache[tuple[str, Form], SimplePage] = MemoryCache(limit=_KEPT_PAGES)

    async def project(self, name: str, form: Form) -> SimplePage:
        """Return a project's page; raise NotFoundError if no wheel of it is listed."""
        return await self._page(canonicalize_name(name), form)

    async def names(self, form: Form) -> SimplePage:
        """Return the page of all projects."""
        return await self._page(_ALL, form)

    def namespaces(self) -> SimplePage:
        """Return the page of all namespaces (PEP 752)."""
        return SimplePage.of(Form.JSON, write_namespaces(self._own))

    def namespace(self, name: str) -> SimplePage:
        """Return a namespace's page; raise NotFoundError if nobody reserved it."""
        normalized = canonicalize_name(name)
        if normalized not in self._own.namespaces:
            raise NotFoundError(kind="namespace", name=name)
        return SimplePage.of(Form.JSON, write_namespace(normalized, self._own))

    def doubt(self) -> None:
        """Ask the store before the next answer, because something has just changed."""
        self._freshness.doubt()

    async def _page(self, name: str, form: Form) -> SimplePage:
        serial = await self._freshness.check()
        page = self._pages.last((name, form))
        if page is None:
            page = SimplePage.of(form, await self._write(name, form))
            # A page may already contain a change that comes after the serial that was read.
            if serial == self._freshness.serial:
                self._pages.keep((name, form), page)
        return page

    async def _write(self, name: str, form: Form) -> bytes:
        if name == _ALL:
            names = await self._store.names(level=self._listing.level, own_only=self._listing.own_only)
            return write_names(names, form)
        wheels = self._listing.choose(await self._store.wheels_of(name))
        if not wheels:
            raise NotFoundError(kind="project", name=name)
        is_deeper = self._listing.own_only or self._listing.level is Level.STAGING
        places = _DEEPER if is_deeper else _PLACES
        if self._public_url is not None:
            places = replace(places, integrity=f"{self._public_url.rstrip('/')}/integrity")
        return write_project(name, wheels, form, places=places, own=self._own)

    def _forget(self, projects: frozenset[str]) -> None:
        for name in (*projects, _ALL):
            for form in Form:
                self._pages.forget((name, form))


class Freshness:
    """Asks the store what has changed, one query at a time; a query serves only callers that came before it."""

    def __init__(self, store: WheelStore, forget: Callable[[frozenset[str]], None], trusted_seconds: float) -> None:
        self._store = store
        self._forget = forget
        self._trusted_seconds = trusted_seconds
        self._trusted_until = 0.0
        self._doubted = 0.0
        self._asking: asyncio.Task[None] | None = None
        self._upcoming: asyncio.Task[None] | None = None
        self.serial = 0
        """The serial that was read last."""

    async def check(self) -> int:
        """Return once the cache has dropped what had changed a moment before this call; return the serial."""
        if time.monotonic() < self._trusted_until:
            return self.serial
        if self._upcoming is None:
            self._upcoming = asyncio.create_task(self._ask_after(self._asking), name="index-changes")
        # If a caller is cancelled, the others still need the query.
        await asyncio.shield(self._upcoming)
        return self.serial

    def doubt(self) -> None:
        """Ignore results of queries that began before now."""
        self._trusted_until = 0.0
        self._doubted = time.monotonic()

    async def _ask_after(self, former: "asyncio.Task[None] | None") -> None:
        if former is not None:
            await asyncio.wait({former})
        self._asking, self._upcoming = self._upcoming, None
        asked = time.monotonic()
        changes = await self._store.changes(self.serial)
        if changes.projects:
            self._forget(changes.projects)
        self.serial = max(self.serial, changes.serial)
        if asked > self._doubted:
            self._trusted_until = asked + self._trusted_seconds
