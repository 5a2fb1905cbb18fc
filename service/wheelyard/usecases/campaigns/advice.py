"""Find the release of a project that would work where the one of a campaign does not."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wheelyard.domain.campaigns.advice import Advice, KnownWheel, by_claims, by_classifiers, by_wheels, newer_files
from wheelyard.domain.index.wheels import IndexedWheel
from wheelyard.domain.packaging.release import IndexFile, best_sdist, serves_python
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.prebuilds.prebuild import Item
from wheelyard.domain.untrusted.metadata import parse_metadata
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.domain.untrusted.versions import find_version, read_version
from wheelyard.errors import DatabaseUnavailableError, WheelyardError
from wheelyard.interfaces import ParserPool, SourceIndex, WheelStore
from wheelyard.usecases.release_facts import is_offered

_MOST_BYTES: Final = 64 << 20
"""The largest sdist that is fetched for its classifiers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FindAdvice:
    """Looks at newer releases, here and upstream, without running any project's code."""

    source: SourceIndex
    wheels: WheelStore
    parsers: ParserPool
    read_metadata: Callable[[Path], bytes | None]
    """Reads the PKG-INFO of an sdist."""

    async def __call__(self, item: Item, *, is_refused: bool) -> Advice | None:
        """Return a newer release that would work, if anything says so; raise DatabaseUnavailableError.

        ``is_refused`` says that the item's release was refused before a build.
        """
        if item.commit is not None or item.file is not None:
            return None
        version, target = read_version(item.version), item.target
        own = list(map(_known, filter(is_offered, await self.wheels.wheels_of(item.project))))
        try:
            files = (await self.source.project(item.project)).files
            newer = await asyncio.to_thread(newer_files, files, version)
            found = by_wheels(target, version, own=filter(None, own), newer=newer)
            found = found or await self._by_classifiers(target, newer)
        except DatabaseUnavailableError:
            raise
        except WheelyardError:  # upstream does not answer, or does not have it: what we have may say enough
            return by_wheels(target, version, own=filter(None, own), newer=())
        of_release = [file for file in files if file.version == version]
        return found or by_claims(target, of_release=of_release, newer=newer, is_refused=is_refused)

    async def _by_classifiers(self, target: Target, newer: Sequence[IndexFile]) -> Advice | None:
        """Read the newest release's classifiers, which are in its sdist: one file for each failure."""
        version = max((file.version for file in newer), default=None)
        sdist = best_sdist(file for file in newer if file.version == version)
        if version is None or sdist is None or not serves_python(sdist, target.python):
            return None
        if (sdist.size_bytes or 0) > _MOST_BYTES:
            return None
        content = await asyncio.to_thread(self.read_metadata, await self.source.fetch(sdist))
        what = f"the PKG-INFO of {sdist.filename}"
        try:
            classifiers = await self.parsers.run(classifiers_of, content or b"", what=what, caller=sdist.filename)
        except RefusedTextError:
            return None
        return by_classifiers(target, version, classifiers)


def classifiers_of(metadata: bytes) -> tuple[str, ...]:
    """Return the classifiers of core metadata; raise RefusedTextError. Runs in a parser's process."""
    return tuple(parse_metadata(metadata).get("classifiers", ()))


def _known(wheel: IndexedWheel) -> KnownWheel | None:
    version = find_version(wheel.version)
    if version is None or not wheel.is_wheel:
        return None
    return KnownWheel(version=version, filename=wheel.filename, requires_python=wheel.requires_python)
