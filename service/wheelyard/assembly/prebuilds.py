"""Assembly of prebuilds, and the loop that advances them beside the API."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

from wheelyard.adapters.host.shared_work import FairSlots
from wheelyard.adapters.host.state_dir import StateDir
from wheelyard.adapters.resolver.own_projects import OwnNames
from wheelyard.adapters.resolver.own_wheels import OwnWheels
from wheelyard.adapters.resolver.pages import ResolverPages
from wheelyard.adapters.resolver.releases import UvReleaseResolver
from wheelyard.adapters.resolver.requirements import parse_requirements
from wheelyard.adapters.resolver.sdists import read_brought_sdist, read_sdist_metadata
from wheelyard.adapters.resolver.uv import UvResolverOptions
from wheelyard.adapters.store.builds import PostgresBuilds
from wheelyard.adapters.store.database import Database
from wheelyard.adapters.store.fleet import PostgresFleet
from wheelyard.adapters.store.prebuilds import PostgresPrebuilds
from wheelyard.adapters.store.webhooks import PostgresWebhooks
from wheelyard.adapters.store.wheels import PostgresSdists, PostgresWheels
from wheelyard.adapters.upstream.webhooks import HttpWebhooks
from wheelyard.assembly.access import open_limits
from wheelyard.assembly.backends import Backends
from wheelyard.assembly.index import IndexBackends, own_wheels, retained_index
from wheelyard.domain.index.index import Level
from wheelyard.domain.index.wheels import Listing
from wheelyard.domain.packaging.own_projects import OwnProjects
from wheelyard.domain.prebuilds.webhook import AllowedAddresses
from wheelyard.interfaces import ParserPool, SdistStore, SourceIndex
from wheelyard.logs import get_logger
from wheelyard.settings import Settings
from wheelyard.usecases.advance_prebuild import AdvancePrebuild, MirrorWheel
from wheelyard.usecases.campaigns.advice import FindAdvice
from wheelyard.usecases.campaigns.campaigns import Campaigns
from wheelyard.usecases.campaigns.turns import CampaignTurns
from wheelyard.usecases.periodic_work import repeat
from wheelyard.usecases.prebuild import Prebuilds
from wheelyard.usecases.read_dependencies import ReadDependencies
from wheelyard.usecases.release_facts import FindRelease, FindSource
from wheelyard.usecases.request_build import PlanBuild, RequestBuild
from wheelyard.usecases.send_webhooks import SendWebhooks, WebhookRules

_POLL_SECONDS: Final = 1.0
_log = get_logger(__name__)


def uv_options(settings: Settings, slots: FairSlots) -> UvResolverOptions:
    """Return the options of uv, with the same slots for every use in a process."""
    return UvResolverOptions(
        cache_dir=StateDir(settings.state_dir).uv_cache,
        environment=os.environ,
        index_url=settings.upstream_index_url,
        ca_bundle=settings.ca_bundle,
        slots=slots,
    )


def resolver_pages(
    settings: Settings,
    source: SourceIndex,
    own: OwnWheels | None,
    parsers: ParserPool,
    *,
    sdists: SdistStore | None = None,
) -> ResolverPages:
    """Make the pages that uv reads in addition to upstream's; without a database nothing was brought."""
    names = OwnNames(OwnProjects.of(settings.own_projects), sdists)
    return ResolverPages(source=source, own=own, names=names, parsers=parsers)


def make_prebuilds(
    backends: Backends,
    *,
    builds: PostgresBuilds,
    request_build: RequestBuild,
    settle_reach: Callable[[], Awaitable[None]],
) -> Prebuilds:
    """Make the use cases of requests for whole applications."""
    settings, database, parsers = backends.parts.settings, backends.database, backends.parsers
    wheels, store = PostgresWheels(database), PostgresPrebuilds(database, limits=open_limits(settings))
    find = FindRelease(
        source=backends.source,
        wheels=wheels,
        builds=builds,
        listing=Listing(targets=request_build.targets()),
        may_mirror=settings.mirror == "allow",
    )
    find_source = FindSource(
        plan=request_build, find=find, parsers=parsers, source=backends.source, read_sdist=read_brought_sdist
    )
    advance = AdvancePrebuild(
        store=store,
        builds=builds,
        find=find,
        request_build=request_build,
        mirror=mirror_wheel(database, backends.source, backends.index),
        now=_now,
        campaigns=_campaign_turns(backends, builds=builds, find=find, plan=request_build),
    )
    return Prebuilds(
        read=_read_dependencies(backends, find_source),
        store=store,
        wheels=wheels,
        builds=builds,
        workers=PostgresFleet(database),
        advance=advance,
        webhooks=webhook_rules(settings),
        parsers=parsers,
        parse_lines=parse_requirements,
        now=_now,
        settle_reach=settle_reach,
    )


def _campaign_turns(backends: Backends, *, builds: PostgresBuilds, find: FindRelease, plan: PlanBuild) -> CampaignTurns:
    """Make what decides what is due in campaigns."""
    wheels, settings = PostgresWheels(backends.database), backends.parts.settings
    advise = FindAdvice(
        source=backends.source, wheels=wheels, parsers=backends.parsers, read_metadata=read_sdist_metadata
    )
    return CampaignTurns(
        wheels=wheels,
        builds=builds,
        find=find,
        plan=plan,
        advise=advise,
        now=_now,
        live_builds=settings.campaign_builds,
    )


def make_campaigns(backends: Backends, prebuilds: Prebuilds) -> Campaigns:
    """Make the use cases of campaigns."""
    request_build = prebuilds.advance.request_build
    return Campaigns(
        prebuilds=prebuilds,
        store=prebuilds.store,
        wheels=PostgresWheels(backends.database),
        listing=Listing(targets=request_build.targets()),
        now=_now,
    )


def _read_dependencies(backends: Backends, find_source: FindSource) -> ReadDependencies:
    """Make the use case that turns an application's files into the releases that it needs."""
    settings = backends.parts.settings
    own = own_wheels(settings, backends.database, backends.index)
    sdists = PostgresSdists(backends.database)
    pages = resolver_pages(settings, backends.source, own, backends.parsers, sdists=sdists)
    return ReadDependencies(
        source=backends.source,
        resolver=UvReleaseResolver(uv_options(settings, backends.uv_slots), pages),
        parsers=backends.parsers,
        parse_lines=parse_requirements,
        read_metadata=read_sdist_metadata,
        find_source=find_source,
    )


def mirror_wheel(database: Database, source: SourceIndex, index: IndexBackends) -> MirrorWheel:
    """Make the use case that mirrors upstream wheels."""
    return MirrorWheel(
        source=source,
        index=retained_index(database, index, Level.PROD),
        wheels=PostgresWheels(database),
        now=_now,
    )


def webhook_rules(settings: Settings) -> WebhookRules:
    """Return the secrets of webhooks and where webhooks may go."""
    secret, former = settings.webhook_secret, settings.webhook_former_secret
    return WebhookRules(
        secret=secret.get_secret_value() if secret else None,
        former_secret=former.get_secret_value() if former else None,
        allowed=AllowedAddresses(entries=frozenset(settings.webhook_hosts)),
    )


def make_webhooks(settings: Settings, database: Database) -> SendWebhooks:
    """Make the sender of webhooks."""
    rules = webhook_rules(settings)
    return SendWebhooks(
        outbox=PostgresWebhooks(database),
        store=PostgresPrebuilds(database),
        send=HttpWebhooks(rules.allowed, ca_bundle=settings.ca_bundle).send,
        rules=rules,
        now=_now,
    )


async def advance_forever(advance: AdvancePrebuild, webhooks: SendWebhooks) -> None:
    """Advance prebuilds, and send webhooks for those that are over, until cancelled."""
    async with asyncio.TaskGroup() as group:
        group.create_task(repeat("prebuilds", advance.once, seconds=_POLL_SECONDS, eager=True))
        group.create_task(repeat("webhooks", webhooks.once, seconds=_POLL_SECONDS, eager=True))


def _now() -> datetime:
    return datetime.now(UTC)
