"""Prebuilds in PostgreSQL."""

import asyncio
import uuid
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final

from psycopg.types.json import Jsonb
from pydantic import TypeAdapter

from wheelyard.adapters.store.access import record_change
from wheelyard.adapters.store.database import Connection, Database, hold_caller
from wheelyard.adapters.store.rows import Row, readable, reading, trace_of
from wheelyard.adapters.store.subscribers import wanted_builds, withdraw
from wheelyard.adapters.store.webhooks import put_webhook
from wheelyard.domain.access import NO_LIMITS, OpenLimits
from wheelyard.domain.builds.audit_entries import end_of, extension_of, prebuild_of
from wheelyard.domain.builds.build import Status
from wheelyard.domain.builds.records import MAX_PAGE_SIZE
from wheelyard.domain.dependencies.files import Skipped
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.prebuilds.lists import PrebuildFilter, PrebuildPage, PrebuildSummary
from wheelyard.domain.prebuilds.prebuild import (
    Campaign,
    Item,
    ItemStatus,
    Prebuild,
    PrebuildTurn,
    Prefer,
    Started,
)
from wheelyard.domain.prebuilds.webhook import Webhook, WebhookState
from wheelyard.errors import NotFoundError, RecordUnreadableError
from wheelyard.logs import get_logger

_log = get_logger(__name__)
_ITEM: Final = TypeAdapter(Item)
_ROWS_AT_ONCE: Final = 500
_SKIPPED: Final = TypeAdapter(tuple[Skipped, ...])

_INSERT: Final = b"""
insert into prebuilds (id, requested_by, created_at, targets, prefer, skipped, allow_skipped, webhook_url, finished_at,
                       request_id, trace_id, campaign_source, campaign_key)
values (%(id)s, %(requested_by)s, %(created_at)s, %(targets)s, %(prefer)s, %(skipped)s, %(allow_skipped)s,
        %(webhook_url)s, %(finished_at)s, %(request_id)s, %(trace_id)s, %(campaign_source)s, %(campaign_key)s)
on conflict (campaign_key) where finished_at is null do nothing
"""
_OVER: Final = [status.value for status in ItemStatus if status.is_final]
_COUNT_OPEN: Final = b"""
select count(*) as requests, coalesce(sum((
    select count(*) from prebuild_items where prebuild_id = prebuilds.id and item->>'status' <> all(%(over)s)
)), 0)::bigint as items
from prebuilds where requested_by = %(by)s and finished_at is null
"""
_PUT_ITEM: Final = b"""
insert into prebuild_items (prebuild_id, number, item) values (%(id)s, %(number)s, %(item)s)
on conflict (prebuild_id, number) do update set item = excluded.item where prebuild_items.item <> excluded.item
"""
_PUT_STARTED: Final = b"""
insert into prebuild_builds (prebuild_id, project, version, python, platform, build_id, refusal, joined, code)
values (%(id)s, %(project)s, %(version)s, %(python)s, %(platform)s, %(build_id)s, %(refusal)s, %(joined)s, %(code)s)
on conflict (prebuild_id, project, version, python, platform) do update
set build_id = excluded.build_id, refusal = excluded.refusal, joined = excluded.joined, code = excluded.code
where (prebuild_builds.build_id, prebuild_builds.refusal) is distinct from (excluded.build_id, excluded.refusal)
"""
# What was mended in a campaign is built again: the builds that had failed are no longer its own.
_DROP_STARTED: Final = b"""
delete from prebuild_builds where prebuild_id = %(id)s and (project, version) not in (
    select * from unnest(%(projects)s::text[], %(versions)s::text[]))
"""
_FIND_CAMPAIGN: Final = b"""
select id from prebuilds where campaign_key = %(campaign_key)s and finished_at is null for update
"""
# The next turn sees them. A turn that is under way loses its claim: it does not know them.
_ADD_ITEMS: Final = b"""
insert into prebuild_items (prebuild_id, number, item)
select %(id)s, (select coalesce(max(number), -1) from prebuild_items where prebuild_id = %(id)s) + row_number() over (),
       item
from unnest(%(items)s::jsonb[]) as added(item)
where not exists (
    select from prebuild_items p where p.prebuild_id = %(id)s and p.item->>'project' = added.item->>'project')
"""
_END_TURN: Final = b"update prebuilds set turn = turn + 1, held_until = null where id = %(id)s"
_SELECT: Final = b"select * from prebuilds where id = %(id)s"
_SELECT_WEBHOOK: Final = b"select * from webhooks where prebuild_id = %(id)s"
_SELECT_ITEMS: Final = b"select item from prebuild_items where prebuild_id = %(id)s order by number"
_SELECT_STARTED: Final = b"""
select started.*, builds.status, builds.started_at, builds.failure->>'summary' as failure,
       builds.failure->>'hint' as hint, builds.failure->>'code' as failure_code,
       builds.failure->'chain'->>-1 as blocked_by
from prebuild_builds as started left join builds on builds.id = started.build_id
where started.prebuild_id = %(id)s order by project, version, python, platform
"""
_LIST: Final = "select * from prebuilds order by sequence desc limit %(limit)s"
_CLAIM: Final = b"""
update prebuilds set held_until = now() + make_interval(secs => %(seconds)s), turn = turn + 1
where id = (select id from prebuilds where finished_at is null and (held_until is null or held_until < now())
            order by looked_at nulls first limit 1 for update skip locked)
returning *
"""
_RENEW: Final = """
update prebuilds set held_until = now() + make_interval(secs => %(seconds)s)
where id = %(id)s and turn = %(turn)s and finished_at is null returning id
"""
_HOLD: Final = b"select id from prebuilds where id = %(id)s and turn = %(turn)s and finished_at is null for update"
_RELEASE: Final = b"""
update prebuilds set held_until = now() + make_interval(secs => nullif(%(pause)s, 0)), looked_at = now(),
       finished_at = %(finished_at)s
where id = %(id)s
"""
_CANCEL: Final = b"""
update prebuilds set held_until = null, cancelled = true, finished_at = now() where id = %(id)s and finished_at is null
"""
_LIST_SUMMARIES: Final = """
select p.id, p.requested_by, p.created_at, p.finished_at, p.cancelled, p.campaign_source,
       p.targets->0->>0 as python, p.targets->0->>1 as platform,
       case jsonb_typeof(p.targets) when 'array' then jsonb_array_length(p.targets) else 0 end as targets,
       (select coalesce(jsonb_object_agg(status, amount), '{}') from (
            select coalesce(item->>'status', '') as status, count(*) as amount from prebuild_items i
            where i.prebuild_id = p.id group by 1) as counted) as counts
from prebuilds p
where (p.campaign_key is not null) = %(campaigns)s
  and (%(state)s::text is null or %(state)s = case when p.cancelled then 'cancelled'
       when p.finished_at is null then 'open' else 'done' end)
  and (%(first)s::uuid is null or p.id between %(first)s::uuid and %(last)s::uuid)
  and (%(before)s::uuid is null or p.sequence < (select sequence from prebuilds where id = %(before)s))
order by p.sequence desc limit %(limit)s
"""


class PostgresPrebuilds:
    """Store prebuilds in PostgreSQL."""

    def __init__(self, database: Database, *, limits: OpenLimits = NO_LIMITS) -> None:
        self._database = database
        self._limits = limits

    async def create(self, prebuild: Prebuild) -> None:
        """Insert a prebuild with its items and its builds."""
        async with self._database.transaction() as connection:
            await self.create_on(connection, prebuild)

    async def create_on(self, connection: Connection, prebuild: Prebuild) -> bool:
        """Insert a prebuild in a transaction of the caller's; return False for a campaign that is open already."""
        values = {
            "id": prebuild.id,
            "requested_by": prebuild.requested_by,
            "created_at": prebuild.created_at,
            "finished_at": prebuild.finished_at,
            "targets": Jsonb([[target.python, target.platform] for target in prebuild.targets]),
            "prefer": prebuild.prefer.value,
            "skipped": Jsonb(_SKIPPED.dump_python(prebuild.skipped, mode="json")),
            "allow_skipped": prebuild.allow_skipped,
            "request_id": prebuild.trace.request_id,
            "trace_id": prebuild.trace.trace_id,
            "webhook_url": prebuild.webhook.url if prebuild.webhook else None,
            "campaign_source": prebuild.campaign and prebuild.campaign.source,
            "campaign_key": prebuild.campaign and prebuild.campaign.key,
        }
        if prebuild.finished_at is None:
            await self._check_open(connection, prebuild)
        if not (await connection.execute(_INSERT, values)).rowcount:
            return False
        await _put_parts(connection, prebuild)
        if prebuild.finished_at is not None:
            await _put_webhook_of(connection, prebuild)
        await record_change(connection, prebuild_of(prebuild))
        return True

    async def begin_campaign(self, campaign: Prebuild) -> tuple[str, bool]:
        """Insert a campaign, or add what an equal open one lacks; return its id, and whether there was one.

        The unique index decides.
        """
        key = campaign.campaign and campaign.campaign.key
        while True:
            async with self._database.transaction() as connection:
                row = await (await connection.execute(_FIND_CAMPAIGN, {"campaign_key": key})).fetchone()
                if row is not None:
                    await self._add_items(connection, str(row["id"]), campaign)
                    return str(row["id"]), True
                # An equal one can begin between the two statements. Then we look again.
                if await self.create_on(connection, campaign):
                    return campaign.id, False

    async def _add_items(self, connection: Connection, campaign_id: str, new: Prebuild) -> None:
        items = [column["item"] for column in await asyncio.to_thread(_item_columns, new)]
        values = {"id": campaign_id, "items": items}
        if added := (await connection.execute(_ADD_ITEMS, values)).rowcount:
            await connection.execute(_END_TURN, values)
            await record_change(connection, extension_of(campaign_id, new, added=added))

    async def _check_open(self, connection: Connection, new: Prebuild) -> None:
        if not self._limits.requests and not self._limits.items:
            return
        await hold_caller(connection, new.requested_by)
        row = await (await connection.execute(_COUNT_OPEN, {"by": new.requested_by, "over": _OVER})).fetchone()
        requests, items = (row["requests"], row["items"]) if row else (0, 0)
        self._limits.check_requests(requests + 1, items + new.open_items)

    async def get(self, prebuild_id: str) -> Prebuild:
        """Return a prebuild with its items and its builds; raise NotFoundError."""
        try:
            wanted: Row = {"id": uuid.UUID(prebuild_id)}
        except ValueError as error:
            raise NotFoundError(kind="request", name=prebuild_id) from error
        async with self._database.transaction() as connection:
            row = await (await connection.execute(_SELECT, wanted)).fetchone()
            if row is None:
                raise NotFoundError(kind="request", name=prebuild_id)
            return await _read_parts(connection, row)

    async def list_prebuilds(self, *, limit: int) -> tuple[Prebuild, ...]:
        """Return the newest prebuilds, without their items and builds."""
        rows = await self._database.fetch_all(_LIST, {"limit": limit})
        return readable("request", rows, lambda row: _prebuild_of(row, [], []))

    async def page(self, wanted: PrebuildFilter) -> PrebuildPage:
        """Return a page of prebuilds, newest first. One row more than the limit shows whether there is a next page."""
        limit = min(wanted.limit, MAX_PAGE_SIZE)
        parameters: Row = {
            "state": wanted.state and wanted.state.value,
            "first": wanted.ids and wanted.ids.first,
            "last": wanted.ids and wanted.ids.last,
            "before": None,
            "campaigns": wanted.campaigns,
            "limit": limit + 1,
        }
        if wanted.before is not None:
            try:
                parameters["before"] = uuid.UUID(wanted.before)
            except ValueError as error:
                raise NotFoundError(kind="request", name=wanted.before) from error
        rows = await self._database.fetch_all(_LIST_SUMMARIES, parameters)
        shown = readable("request", rows[:limit], _summary_of)
        return PrebuildPage(prebuilds=shown, next_before=str(rows[limit - 1]["id"]) if len(rows) > limit else None)

    async def cancel(self, prebuild_id: str, *, cancelled_by: str) -> Prebuild:
        """Cancel a prebuild, and its queued builds that have no other subscriber."""
        prebuild = await self.get(prebuild_id)
        async with self._database.transaction() as connection:
            if (await connection.execute(_CANCEL, {"id": prebuild_id})).rowcount:
                builds = await wanted_builds(connection, prebuild_id)
                await withdraw(connection, prebuild_id, builds, statuses=[Status.QUEUED], by=cancelled_by)
                await _put_webhook_of(connection, prebuild)
                await record_change(connection, end_of(prebuild, cancelled_by))
        return await self.get(prebuild_id)

    async def claim(self, *, lease_seconds: float) -> PrebuildTurn | None:
        """Claim the prebuild that was handled longest ago. End one that cannot be read, since it would block others."""
        async with self._database.transaction() as connection:
            while (row := await (await connection.execute(_CLAIM, {"seconds": lease_seconds})).fetchone()) is not None:
                try:
                    return PrebuildTurn(prebuild=await _read_parts(connection, row), number=row["turn"])
                except RecordUnreadableError as error:
                    _log.error("record-unreadable", kind="request", name=error.name, reason=error.reason)
                    await connection.execute(_CANCEL, {"id": row["id"]})
                    await put_webhook(connection, str(row["id"]), row["webhook_url"])
        return None

    async def renew(self, turn: PrebuildTurn, *, lease_seconds: float) -> bool:
        """Extend the lease; return False if the turn was lost."""
        return await self._database.fetch_one(_RENEW, {**_fence(turn), "seconds": lease_seconds}) is not None

    async def withdraw(self, turn: PrebuildTurn, build_ids: Collection[str]) -> tuple[str, ...]:
        """Cancel builds that have no other subscriber, unless the turn was lost; return their ids."""
        prebuild = turn.prebuild
        async with self._database.transaction() as connection:
            if await _is_held(connection, turn):
                live, by = (Status.QUEUED, Status.RUNNING), prebuild.requested_by
                return await withdraw(connection, prebuild.id, build_ids, statuses=live, by=by)
        return ()

    async def save(self, turn: PrebuildTurn, *, pause_seconds: float = 0.0) -> bool:
        """Save what has changed; return False if the turn was lost. Nobody claims it until the pause is over."""
        prebuild = turn.prebuild
        async with self._database.transaction() as connection:
            if not await _is_held(connection, turn):
                return False
            await _put_parts(connection, prebuild)
            if prebuild.campaign is not None:
                names = {"projects": [one.project for one in prebuild.started]}
                versions = {"versions": [one.version for one in prebuild.started]}
                await connection.execute(_DROP_STARTED, {"id": prebuild.id, **names, **versions})
            released = {"id": prebuild.id, "finished_at": prebuild.finished_at, "pause": pause_seconds}
            await connection.execute(_RELEASE, released)
            if prebuild.finished_at is not None:
                await _put_webhook_of(connection, prebuild)
        return True


async def _put_webhook_of(connection: Connection, prebuild: Prebuild) -> None:
    await put_webhook(connection, prebuild.id, prebuild.webhook.url if prebuild.webhook else None)


def _fence(turn: PrebuildTurn) -> Row:
    return {"id": turn.prebuild.id, "turn": turn.number}


async def _is_held(connection: Connection, turn: PrebuildTurn) -> bool:
    """Return whether the turn may still write. The lock keeps it so until the transaction ends."""
    return await (await connection.execute(_HOLD, _fence(turn))).fetchone() is not None


def _item_columns(prebuild: Prebuild) -> list[Row]:
    return [
        {"id": prebuild.id, "number": number, "item": Jsonb(_ITEM.dump_python(item, mode="json"))}
        for number, item in enumerate(prebuild.items)
    ]


async def _put_parts(connection: Connection, prebuild: Prebuild) -> None:
    items = await asyncio.to_thread(_item_columns, prebuild)
    async with connection.cursor() as cursor:
        for some in range(0, len(items), _ROWS_AT_ONCE):
            await cursor.executemany(_PUT_ITEM, items[some : some + _ROWS_AT_ONCE])
            await asyncio.sleep(0)
        await cursor.executemany(_PUT_STARTED, [_started_columns(prebuild.id, one) for one in prebuild.started])


async def _read_parts(connection: Connection, row: Row) -> Prebuild:
    wanted = {"id": row["id"]}
    cursor = await connection.execute(_SELECT_ITEMS, wanted)
    items: list[Item] = []
    with reading("request", row["id"]):
        # Parse a few at a time in a thread: there may be 50,000, and other tasks must go on meanwhile.
        while some := await cursor.fetchmany(_ROWS_AT_ONCE):
            items += await asyncio.to_thread(lambda rows: [_ITEM.validate_python(one["item"]) for one in rows], some)
    started = await (await connection.execute(_SELECT_STARTED, wanted)).fetchall()
    sent = await (await connection.execute(_SELECT_WEBHOOK, wanted)).fetchone() if row["webhook_url"] else None
    with reading("request", row["id"]):
        return replace(_prebuild_of(row, items, started), webhook=_webhook_of(row, sent))


def _webhook_of(row: Row, sent: Row | None) -> Webhook | None:
    if row["webhook_url"] is None or sent is None:
        return Webhook(url=row["webhook_url"]) if row["webhook_url"] else None
    ends = {"delivered_at": WebhookState.DELIVERED, "given_up_at": WebhookState.GIVEN_UP}
    state = next((state for column, state in ends.items() if sent[column] is not None), WebhookState.DUE)
    return Webhook(url=sent["url"], state=state, attempts=sent["attempts"], fault=sent["fault"])


def _prebuild_of(row: Row, items: Sequence[Item], started: list[Row]) -> Prebuild:
    return Prebuild(
        id=str(row["id"]),
        requested_by=row["requested_by"],
        created_at=row["created_at"],
        finished_at=row["finished_at"],
        cancelled=row["cancelled"],
        targets=tuple(Target.stored(python=python, platform=platform) for python, platform in row["targets"]),
        prefer=Prefer(row["prefer"]),
        items=tuple(items),
        skipped=_SKIPPED.validate_python(row["skipped"]),
        started=tuple(map(_started_of, started)),
        allow_skipped=row["allow_skipped"],
        trace=trace_of(row),
        campaign=_campaign_of(row),
    )


def _campaign_of(row: Row) -> Campaign | None:
    if row["campaign_key"] is None:
        return None
    return Campaign(source=row["campaign_source"], key=row["campaign_key"])


def _started_columns(prebuild_id: str, started: Started) -> Row:
    return {
        "id": prebuild_id,
        "project": started.project,
        "version": started.version,
        "python": started.target.python,
        "platform": started.target.platform,
        "build_id": started.build_id,
        "refusal": started.reason if started.build_id is None else None,
        "joined": started.joined,
        "code": started.code if started.build_id is None else None,
    }


def _started_of(row: Row) -> Started:
    return Started(
        project=row["project"],
        version=row["version"],
        target=Target.stored(python=row["python"], platform=row["platform"]),
        build_id=None if row["build_id"] is None else str(row["build_id"]),
        status=Status(row["status"]) if row["status"] else Status.FAILED,
        reason=row["refusal"] or row["failure"] or "",
        hint=row["hint"] or "",
        code=row["code"] or row["failure_code"] or "",
        blocked_by=(row["blocked_by"] or "").partition(" ")[0],
        joined=row["joined"],
        started_at=row["started_at"],
    )


def _summary_of(row: Row) -> PrebuildSummary:
    counts = {ItemStatus(status): amount for status, amount in row["counts"].items()}
    facts = {name: value for name, value in row.items() if name not in {"python", "platform", "campaign_source"}}
    summary = PrebuildSummary(**{**facts, "id": str(row["id"]), "counts": counts})
    if row["campaign_source"] is None:
        return summary
    target = Target.stored(python=row["python"], platform=row["platform"])
    return replace(summary, campaign_source=row["campaign_source"], target=target)
