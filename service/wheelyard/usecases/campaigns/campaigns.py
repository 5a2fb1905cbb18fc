"""Begin, show and stop campaigns: everything that our index or a file has, for another Python."""

import asyncio
import dataclasses
import hashlib
import json
import uuid
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from packaging.utils import canonicalize_name

from wheelyard.domain.builds.records import Token
from wheelyard.domain.dependencies.files import Origin, Skipped
from wheelyard.domain.index.wheels import IndexedWheel, Listing, ProjectFilter
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.prebuilds.lists import PrebuildFilter, PrebuildPage
from wheelyard.domain.prebuilds.prebuild import INDEX, Campaign, Item, Prebuild, Prefer
from wheelyard.domain.trace import NO_TRACE, Trace
from wheelyard.domain.untrusted.versions import find_version
from wheelyard.errors import InvalidRequestError, NotFoundError
from wheelyard.interfaces import PrebuildStore, WheelStore
from wheelyard.logs import get_logger
from wheelyard.usecases.prebuild import Prebuilds, items_for
from wheelyard.usecases.read_dependencies import DependencyInput
from wheelyard.usecases.release_facts import is_offered

MOST_PROJECTS: Final = 2000
"""Of one campaign."""
_PROJECTS_AT_ONCE: Final = 200
_log = get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class CampaignRequest:
    """A request for a campaign."""

    target: Target
    given: DependencyInput | None
    """The file whose releases are built; None for everything that our index has."""
    prefer: Prefer
    requested_by: str
    trace: Trace = NO_TRACE


@dataclass(frozen=True, kw_only=True, slots=True)
class Campaigns:
    """The use cases behind ``/v1/campaigns``. A campaign is a prebuild that stays open until everything is served."""

    prebuilds: Prebuilds
    store: PrebuildStore
    wheels: WheelStore
    listing: Listing
    now: Callable[[], datetime]
    new_id: Callable[[], uuid.UUID] = uuid.uuid4
    most_projects: int = MOST_PROJECTS

    async def begin(self, request: CampaignRequest) -> tuple[Prebuild, bool]:
        """Begin a campaign; return it, and whether an equal one was open already.

        Of an open one, projects are added that came to the index since. Raises a CallerError if the target has no
        builder, the file cannot be read, or there are too many projects or none, RequirementsUnsatisfiableError, and
        SourceUnreachableError if everything is to be built and nothing can be.
        """
        plan = self.prebuilds.advance.request_build
        plan.suite_for(request.target)
        if request.prefer is Prefer.OWN:
            plan.check_reach(request.target)  # else upstream's wheels may serve everything
        if request.given is None:
            items, skipped = await self._on_index(request.target)
        else:
            needed = await self.prebuilds.read(request.given, (request.target,), caller=request.requested_by)
            items, skipped = items_for(needed, (request.target,)), needed.skipped
        count = len({item.project for item in items})
        if not count:
            source = "our index" if request.given is None else "the file"
            raise InvalidRequestError(problems=[f"{source} has no release to build for another Python"])
        if count > self.most_projects:
            problem = (
                f"a campaign has at most {self.most_projects} projects, and these are {count}; name a file of some"
            )
            raise InvalidRequestError(problems=[problem])
        new = self._new(request, items, skipped)
        campaign_id, joined = await self.store.begin_campaign(new)
        if not joined:
            fields = {"items": len(items), "requested_by": new.requested_by, "source": _source_of(request)}
            _log.info("campaign-begun", prebuild=campaign_id, **fields)
        return await self.store.get(campaign_id), joined

    async def get(self, campaign_id: str) -> Prebuild:
        """Return a campaign; raise NotFoundError."""
        try:
            campaign = await self.store.get(campaign_id)
        except NotFoundError as error:
            raise NotFoundError(kind="campaign", name=campaign_id) from error
        if campaign.campaign is None:
            raise NotFoundError(kind="campaign", name=campaign_id)
        return campaign

    async def page(self, wanted: PrebuildFilter) -> PrebuildPage:
        """Return campaigns, newest first; raise NotFoundError."""
        return await self.store.page(dataclasses.replace(wanted, campaigns=True))

    async def stop(self, campaign_id: str, *, by: Token) -> Prebuild:
        """Start nothing more for a campaign, and cancel its queued builds that nothing else wants.

        Raises NotFoundError, and NotYoursError for another caller's. One that is over stays as it is.
        """
        await self.get(campaign_id)
        return await self.prebuilds.cancel(campaign_id, by=by)

    def may_stop(self, campaign: Prebuild, *, by: Token) -> bool:
        """Return whether ``stop`` would do anything."""
        return self.prebuilds.may_cancel(campaign, by=by)

    def _new(self, request: CampaignRequest, items: tuple[Item, ...], skipped: tuple[Skipped, ...]) -> Prebuild:
        return Prebuild(
            id=str(self.new_id()),
            requested_by=request.requested_by,
            created_at=self.now(),
            finished_at=None,
            cancelled=False,
            targets=(request.target,),
            prefer=request.prefer,
            items=items,
            skipped=skipped,
            allow_skipped=True,
            trace=request.trace,
            campaign=Campaign(source=_source_of(request), key=_key_of(request, items)),
        )

    async def _on_index(self, target: Target) -> tuple[tuple[Item, ...], tuple[Skipped, ...]]:
        """Return the newest release of each project on our index, and what cannot be built again."""
        items: list[Item] = []
        skipped: list[Skipped] = []
        after: str | None = None
        while len(items) <= self.most_projects:
            page = await self.wheels.list_projects(ProjectFilter(after=after, limit=_PROJECTS_AT_ONCE))
            for project, wheels in (await self._listed(tuple(one.name for one in page.projects))).items():
                version = await asyncio.to_thread(newest_release, wheels)
                origin = Origin(file=INDEX)
                if version is None:
                    reason = (
                        "its wheels were made of commits, folders or files at addresses, and no release has an sdist"
                    )
                    skipped.append(Skipped(origin=origin, text=project, reason=reason))
                else:
                    name = canonicalize_name(project)
                    items.append(Item(project=name, version=version, target=target, origin=origin))
            after = page.next_after
            if after is None:
                break
        return tuple(items), tuple(skipped)

    async def _listed(self, projects: Sequence[str]) -> dict[str, list[IndexedWheel]]:
        """Return the wheels of some projects that our index lists for installers."""
        by_project: defaultdict[str, list[IndexedWheel]] = defaultdict(list)
        if projects:
            for wheel in await self.wheels.wheels_of_releases(await self.wheels.versions_of(projects)):
                by_project[wheel.project].append(wheel)
        listed = {name: list(filter(is_offered, self.listing.choose(held))) for name, held in by_project.items()}
        return {name: wheels for name, wheels in sorted(listed.items()) if wheels}


def newest_release(wheels: Sequence[IndexedWheel]) -> str | None:
    """Return the newest version among wheels: a final one if there is any; None if there are development versions only.

    Development and local versions are those of commits, folders and files at addresses, which no index has an sdist of.
    """
    found = {version: wheel.version for wheel in wheels if (version := find_version(wheel.version)) is not None}
    releases = [version for version in found if not version.is_devrelease and version.local is None]
    final = [version for version in releases if not version.is_prerelease]
    newest = max(final or releases, default=None)
    return None if newest is None else found[newest]


def _source_of(request: CampaignRequest) -> str:
    return INDEX if request.given is None else request.given.start or "requirements"


def _key_of(request: CampaignRequest, items: Sequence[Item]) -> str:
    """Return what equal campaigns have in common; what is on the index changes, so it does not count."""
    pins = [] if request.given is None else sorted(f"{item.project}=={item.version}" for item in items)
    target = request.target
    parts = [_source_of(request), target.python, target.platform, request.prefer.value, pins]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
