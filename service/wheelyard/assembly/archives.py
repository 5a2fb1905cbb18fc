"""Assembly of the suites' package archives."""

import functools
import platform

from wheelyard.adapters.archives.local import LocalArchives
from wheelyard.adapters.archives.reader import read_archive
from wheelyard.adapters.archives.stored import StoredArchives
from wheelyard.adapters.host.state_dir import StateDir
from wheelyard.adapters.store.archives import PostgresArchives
from wheelyard.adapters.store.database import Database
from wheelyard.assembly.images import image_builder
from wheelyard.assembly.parts import Parts


def suite_archives(parts: Parts, database: Database | None, *, reads: bool = True) -> StoredArchives:
    """Make the object that asks the suites' archives.

    Args:
        parts: The parts of this process.
        database: Where their indexes are kept; None keeps them in the state directory, for a trial.
        reads: Read archives with this host's engine; otherwise a worker is asked to.
    """
    settings = parts.settings
    folder = StateDir(settings.state_dir).archive_cache
    return StoredArchives(
        PostgresArchives(database) if database else LocalArchives(folder),
        catalogue=parts.catalogue,
        cache=folder,
        architectures=(platform.machine(), *parts.emulated) if reads else (),
        read=functools.partial(read_archive, image_builder(parts)) if reads else None,
        keep_seconds=settings.refresh_interval_hours * 3600,
    )
