"""Assembly of our index: devpi's indexes, their records, the use cases on both."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from wheelyard.adapters.devpi.append_only import RetainedIndex
from wheelyard.adapters.devpi.copies import CopiesOnDisk
from wheelyard.adapters.devpi.files import DevpiPlace, DevpiStorage
from wheelyard.adapters.devpi.publish import DevpiIndex
from wheelyard.adapters.host.state_dir import StateDir
from wheelyard.adapters.resolver.own_projects import OwnNames, OwnSource
from wheelyard.adapters.resolver.own_wheels import OwnWheels
from wheelyard.adapters.servers.devpi_files import PROMOTER, PUBLISHER
from wheelyard.adapters.servers.devpi_serving import DevpiServing
from wheelyard.adapters.store.access import PostgresAudit
from wheelyard.adapters.store.database import Database
from wheelyard.adapters.store.periodic import PostgresPeriodic
from wheelyard.adapters.store.uploads import PostgresUploadBytes
from wheelyard.adapters.store.wheels import PostgresSdists, PostgresWheels
from wheelyard.adapters.upstream.addresses import AddressOptions, FileAddresses
from wheelyard.adapters.upstream.brought import BroughtFiles
from wheelyard.adapters.upstream.cache import ContentCache
from wheelyard.domain.builds.file_source import ADDRESS_SCHEME, FileHosts
from wheelyard.domain.index.index import Credentials, IndexEndpoint, Level
from wheelyard.domain.index.uploads import UPLOAD_SCHEME
from wheelyard.domain.packaging.own_projects import OwnProjects
from wheelyard.errors import SettingsInvalidError
from wheelyard.interfaces import SourceIndex, WheelCopies, WheelIndex, WheelStorage, WheelStore
from wheelyard.settings import Settings
from wheelyard.usecases.check_index import CheckIndex, RegularCheck
from wheelyard.usecases.manage_wheels import PublishSdists

Places = Mapping[Level, DevpiPlace]
"""Our indexes on devpi; prod is always there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexBackends:
    """Open connections to our indexes on devpi."""

    indexes: Mapping[Level, WheelIndex]
    storage: WheelStorage


def external_index(settings: Settings) -> Places:
    """Return the indexes to publish on, if they are not embedded; raise SettingsInvalidError."""
    if settings.index_url is None or settings.index_password is None:
        problem = "WHEELYARD_INDEX_URL and WHEELYARD_INDEX_PASSWORD are needed where no embedded index runs"
        raise SettingsInvalidError(problems=[problem])
    server = settings.index_url.rstrip("/")
    promoter = Credentials(user=settings.index_user, password=settings.index_password.get_secret_value())
    places = {Level.PROD: DevpiPlace(url=f"{server}/{settings.index_name}", credentials=promoter)}
    if settings.staging_password is not None:
        publisher = Credentials(user=settings.staging_user, password=settings.staging_password.get_secret_value())
        places[Level.STAGING] = DevpiPlace(url=f"{server}/{settings.staging_name}", credentials=publisher)
    elif settings.publish_level == Level.STAGING:
        raise SettingsInvalidError(problems=["WHEELYARD_PUBLISH_LEVEL=staging needs WHEELYARD_STAGING_PASSWORD"])
    return places


def embedded_index(endpoint: IndexEndpoint) -> Places:
    """Return the indexes of an embedded devpi to publish on."""
    return {
        Level.PROD: DevpiPlace(url=endpoint.prod_url, credentials=endpoint.promoter),
        Level.STAGING: DevpiPlace(url=endpoint.staging_url, credentials=endpoint.publisher),
    }


def devpi_serving(settings: Settings, host: str, port: int) -> DevpiServing:
    """Return how a devpi for other hosts is served; raise SettingsInvalidError without the users' passwords."""
    if settings.index_password is None or settings.staging_password is None:
        problem = "WHEELYARD_INDEX_PASSWORD and WHEELYARD_STAGING_PASSWORD are needed: others log in with them"
        raise SettingsInvalidError(problems=[problem])
    passwords = {
        PUBLISHER: settings.staging_password.get_secret_value(),
        PROMOTER: settings.index_password.get_secret_value(),
    }
    return DevpiServing(host=host, port=port, passwords=passwords, python=settings.devpi_python)


@contextlib.asynccontextmanager
async def open_index(places: Places) -> AsyncIterator[IndexBackends]:
    """Open connections to our indexes."""
    async with contextlib.AsyncExitStack() as stack:
        indexes = {
            level: await stack.enter_async_context(DevpiIndex(place.url, credentials=place.credentials, level=level))
            for level, place in places.items()
        }
        storage = await stack.enter_async_context(DevpiStorage(places))
        yield IndexBackends(indexes=indexes, storage=storage)


def own_wheels(settings: Settings, database: Database, index: IndexBackends) -> OwnWheels:
    """Return our own wheels that builds may use: those of the publish level, and above."""
    cache = ContentCache(root=StateDir(settings.state_dir).file_cache, floor_bytes=settings.disk_floor_bytes)
    return OwnWheels(
        store=PostgresWheels(database), storage=index.storage, cache=cache, level=Level(settings.publish_level)
    )


def own_source(
    settings: Settings,
    database: Database,
    index: IndexBackends,
    upstream: SourceIndex,
) -> OwnSource:
    """Make the source that has what was brought, and never asks upstream for the organisation's own projects."""
    sdists = PostgresSdists(database)
    cache = ContentCache(root=StateDir(settings.state_dir).file_cache, floor_bytes=settings.disk_floor_bytes)
    return OwnSource(
        upstream,
        names=OwnNames(OwnProjects.of(settings.own_projects), sdists),
        sdists=sdists,
        own=own_wheels(settings, database, index),
        places={
            UPLOAD_SCHEME: BroughtFiles(PostgresUploadBytes(database), cache).fetch,
            ADDRESS_SCHEME: FileAddresses(_address_options(settings), cache).fetch,
        },
    )


def _address_options(settings: Settings) -> AddressOptions:
    return AddressOptions(
        hosts=FileHosts.of(settings.file_hosts),
        limit_bytes=settings.limit_sdist_bytes,
        ca_bundle=settings.ca_bundle,
    )


def publish_sdists(database: Database, index: IndexBackends, source: SourceIndex) -> PublishSdists:
    """Make what publishes brought sdists beside their wheels."""
    return PublishSdists(
        sdists=PostgresSdists(database),
        wheels=PostgresWheels(database),
        source=source,
        indexes={level: retained_index(database, index, level) for level in index.indexes},
        now=lambda: datetime.now(UTC),
    )


def copies_on_disk(settings: Settings, index: IndexBackends) -> CopiesOnDisk:
    """Make the copies of the index's files on this host."""
    return CopiesOnDisk(
        StateDir(settings.state_dir).wheel_cache,
        index.storage,
        limit_bytes=settings.file_cache_bytes,
        floor_bytes=settings.disk_floor_bytes,
    )


def check_index(
    database: Database, index: IndexBackends, wheels: WheelStore, copies: WheelCopies | None = None
) -> CheckIndex:
    """Make the comparison of devpi with the database, and of copies with their hashes."""
    return CheckIndex(
        wheels=wheels,
        storage=index.storage,
        indexes=index.indexes,
        audit=PostgresAudit(database),
        copies=copies,
    )


def regular_check(database: Database, index: IndexBackends) -> RegularCheck:
    """Make the regular comparison of devpi with the database that a worker runs."""
    check = check_index(database, index, PostgresWheels(database))
    return RegularCheck(PostgresPeriodic(database), check)


def worker_index(settings: Settings, database: Database, index: IndexBackends) -> WheelIndex:
    """Return the index that a worker publishes on."""
    return retained_index(database, index, settings.publish_level)


def healed_index(settings: Settings, database: Database, index: IndexBackends) -> WheelIndex:
    """Return the index for wheels whose builds healed themselves; raise SettingsInvalidError if it does not exist."""
    level = settings.healed_level or settings.publish_level
    if level not in index.indexes:
        raise SettingsInvalidError(problems=["WHEELYARD_HEALED_LEVEL=staging needs WHEELYARD_STAGING_PASSWORD"])
    return retained_index(database, index, level)


def retained_index(database: Database, index: IndexBackends, level: Level) -> WheelIndex:
    """Return an index on which no file name ever gets other bytes, even after a deletion."""
    return RetainedIndex(
        index.indexes[level],
        wheels=PostgresWheels(database),
        remove=index.storage.remove,
    )
