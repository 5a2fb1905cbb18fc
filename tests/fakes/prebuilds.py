"""Prebuilds in memory: the fake of the PostgreSQL store, on the other stores' state."""

import uuid
from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta

from tests.fakes.builds import MemoryBuilds
from tests.fakes.records import MemoryState

from wheelyard.domain.builds.audit_entries import end_of, extension_of, prebuild_of
from wheelyard.domain.builds.build import Status
from wheelyard.domain.prebuilds.lists import PrebuildFilter, PrebuildPage, PrebuildSummary
from wheelyard.domain.prebuilds.prebuild import Prebuild, PrebuildTurn, Started
from wheelyard.domain.prebuilds.webhook import AllowedAddresses, WebhookMessage, WebhookState
from wheelyard.errors import NotFoundError, WebhookRefusedError, WheelyardError
from wheelyard.interfaces import DueWebhook


class MemoryPrebuilds:
    """The PrebuildStore in memory."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state
        self._prebuilds: dict[str, Prebuild] = {}
        self._held_until: dict[str, datetime] = {}
        self._turns: dict[str, int] = {}
        self._waiting: list[str] = []
        """Unfinished ones, the one that was looked at longest ago first."""

    async def create(self, prebuild: Prebuild) -> None:
        """Store a new prebuild."""
        if prebuild.finished_at is None:
            own = [one for one in self._prebuilds.values() if one.requested_by == prebuild.requested_by]
            unfinished = [prebuild, *(one for one in own if one.finished_at is None)]
            self._state.limits.check_requests(len(unfinished), sum(one.open_items for one in unfinished))
        self._prebuilds[prebuild.id] = prebuild
        self._state.record_change(prebuild_of(prebuild))
        if prebuild.finished_at is None:
            self._waiting.append(prebuild.id)
        else:
            self._state.put_webhook(prebuild.id, prebuild.webhook)

    async def begin_campaign(self, campaign: Prebuild) -> tuple[str, bool]:
        """Store a campaign, or add what an equal open one lacks."""
        assert campaign.campaign is not None
        for prebuild_id in self._waiting:
            known = self._prebuilds[prebuild_id]
            if known.campaign is None or known.campaign.key != campaign.campaign.key:
                continue
            projects = {item.project for item in known.items}
            added = tuple(item for item in campaign.items if item.project not in projects)
            if added:
                self._prebuilds[prebuild_id] = replace(known, items=(*known.items, *added))
                self._turns[prebuild_id] = self._turns.get(prebuild_id, 0) + 1
                self._held_until.pop(prebuild_id, None)
                self._state.record_change(extension_of(prebuild_id, campaign, added=len(added)))
            return prebuild_id, True
        await self.create(campaign)
        return campaign.id, False

    async def get(self, prebuild_id: str) -> Prebuild:
        """Return one, its builds' status as it is now."""
        if prebuild_id not in self._prebuilds:
            raise NotFoundError(kind="request", name=prebuild_id)
        prebuild = self._prebuilds[prebuild_id]
        sent = self._state.webhooks.get(prebuild_id)
        webhook = sent.webhook if sent else prebuild.webhook
        return replace(prebuild, started=tuple(map(self._as_it_is_now, prebuild.started)), webhook=webhook)

    async def list_prebuilds(self, *, limit: int) -> tuple[Prebuild, ...]:
        """Return the newest ones, without their items and builds."""
        newest = list(reversed(self._prebuilds.values()))[:limit]
        return tuple(replace(prebuild, items=(), started=()) for prebuild in newest)

    async def page(self, wanted: PrebuildFilter) -> PrebuildPage:
        """Return prebuilds, newest first, with the number of items in each state."""
        shown_ones = (one for one in self._prebuilds.values() if (one.campaign is not None) == wanted.campaigns)
        newest = [_summary_of(prebuild) for prebuild in reversed(list(shown_ones))]
        if wanted.before is not None:
            before, ids = _id_of(wanted.before), [one.id for one in newest]
            newest = newest[ids.index(before) + 1 :] if before in ids else []
        fitting = [
            one for one in newest if wanted.state in {None, one.state} and (wanted.ids is None or one.id in wanted.ids)
        ]
        shown = tuple(fitting[: wanted.limit])
        return PrebuildPage(prebuilds=shown, next_before=shown[-1].id if len(fitting) > wanted.limit else None)

    async def cancel(self, prebuild_id: str, *, cancelled_by: str) -> Prebuild:
        """End it, and what waits in the queue for it alone."""
        prebuild = await self.get(prebuild_id)
        if prebuild.finished_at is None:
            self._prebuilds[prebuild_id] = replace(prebuild, cancelled=True, finished_at=self._state.clock())
            self._waiting.remove(prebuild_id)
            self._state.cancelled_prebuilds.add(prebuild_id)
            wanted = {one.build_id for one in self._state.requests if one.prebuild_id == prebuild_id}
            await self._withdraw(prebuild_id, wanted, {Status.QUEUED}, cancelled_by)
            self._state.put_webhook(prebuild_id, prebuild.webhook)
            self._state.record_change(end_of(prebuild, cancelled_by))
        return await self.get(prebuild_id)

    async def claim(self, *, lease_seconds: float) -> PrebuildTurn | None:
        """Claim the one that was looked at longest ago."""
        now = self._state.clock()
        for prebuild_id in self._waiting:
            if self._held_until.get(prebuild_id, now) <= now:
                self._held_until[prebuild_id] = now + timedelta(seconds=lease_seconds)
                self._turns[prebuild_id] = self._turns.get(prebuild_id, 0) + 1
                return PrebuildTurn(prebuild=await self.get(prebuild_id), number=self._turns[prebuild_id])
        return None

    async def renew(self, turn: PrebuildTurn, *, lease_seconds: float) -> bool:
        """Extend the lease, unless the claim was lost."""
        if not self._is_held(turn):
            return False
        self._held_until[turn.prebuild.id] = self._state.clock() + timedelta(seconds=lease_seconds)
        return True

    async def withdraw(self, turn: PrebuildTurn, build_ids: Collection[str]) -> tuple[str, ...]:
        """Cancel what nothing else needs, unless the claim was lost."""
        prebuild = turn.prebuild
        if not self._is_held(turn):
            return ()
        return await self._withdraw(prebuild.id, build_ids, {Status.QUEUED, Status.RUNNING}, prebuild.requested_by)

    async def save(self, turn: PrebuildTurn, *, pause_seconds: float = 0.0) -> bool:
        """Save what has changed, unless the claim was lost."""
        if not self._is_held(turn):
            return False
        prebuild = turn.prebuild
        self._prebuilds[prebuild.id] = prebuild
        self._held_until.pop(prebuild.id, None)
        if pause_seconds:
            self._held_until[prebuild.id] = self._state.clock() + timedelta(seconds=pause_seconds)
        self._waiting.remove(prebuild.id)
        if prebuild.finished_at is None:
            self._waiting.append(prebuild.id)
        else:
            self._state.put_webhook(prebuild.id, prebuild.webhook)
        return True

    def _is_held(self, turn: PrebuildTurn) -> bool:
        return turn.prebuild.id in self._waiting and self._turns.get(turn.prebuild.id) == turn.number

    async def _withdraw(
        self, prebuild_id: str, build_ids: Collection[str], wanted: Collection[Status], by: str
    ) -> tuple[str, ...]:
        unwanted = self._state.withdraw(prebuild_id, build_ids, wanted)
        for build in unwanted:
            await MemoryBuilds(self._state).request_cancel(build.id, requested_by=by)
        return tuple(build.id for build in unwanted)

    def count_unfinished(self) -> int:
        """Count those that are not over."""
        return sum(prebuild.finished_at is None for prebuild in self._prebuilds.values())

    def _as_it_is_now(self, started: Started) -> Started:
        record = self._state.records.get(started.build_id or "")
        if record is None:
            return replace(started, status=Status.FAILED)
        build = record.build
        reason, hint = (build.failure.summary, build.failure.hint) if build.failure else ("", "")
        code, chain = (build.failure.code, build.failure.chain) if build.failure else ("", ())
        now = replace(started, status=build.status, reason=reason, hint=hint, started_at=build.started_at)
        return replace(now, code=code, blocked_by=chain[-1].partition(" ")[0] if chain else "")


def _summary_of(prebuild: Prebuild) -> PrebuildSummary:
    return PrebuildSummary(
        id=prebuild.id,
        requested_by=prebuild.requested_by,
        created_at=prebuild.created_at,
        finished_at=prebuild.finished_at,
        cancelled=prebuild.cancelled,
        targets=len(prebuild.targets),
        counts=Counter(item.status for item in prebuild.items),
        campaign_source=prebuild.campaign.source if prebuild.campaign else None,
        target=prebuild.targets[0] if prebuild.campaign else None,
    )


def _id_of(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError as error:
        raise NotFoundError(kind="request", name=text) from error


class MemoryOutbox:
    """The WebhookOutbox in memory."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state

    async def claim(self, *, lease_seconds: float) -> DueWebhook | None:
        """Claim the one that is due for longest."""
        now = self._state.clock()
        due = [(one.due_at, key) for key, one in self._state.webhooks.items() if one.due_at and one.due_at <= now]
        if not due:
            return None
        _, prebuild_id = min(due)
        record = self._state.webhooks[prebuild_id]
        record.webhook = replace(record.webhook, attempts=record.webhook.attempts + 1)
        record.due_at = now + timedelta(seconds=lease_seconds)
        return DueWebhook(prebuild_id=prebuild_id, url=record.webhook.url, attempt=record.webhook.attempts)

    async def delivered(self, due: DueWebhook) -> None:
        """Record the delivery."""
        record = self._state.webhooks[due.prebuild_id]
        if record.webhook.attempts == due.attempt:
            record.webhook = replace(record.webhook, state=WebhookState.DELIVERED, fault=None)
            record.due_at = None

    async def failed(self, due: DueWebhook, fault: str, *, pause_seconds: float | None) -> None:
        """Record the reason, and when it is due again, if at all."""
        record = self._state.webhooks[due.prebuild_id]
        if record.webhook.attempts != due.attempt:
            return
        state = WebhookState.GIVEN_UP if pause_seconds is None else WebhookState.DUE
        record.webhook = replace(record.webhook, state=state, fault=fault)
        now = self._state.clock()
        record.due_at = None if pause_seconds is None else now + timedelta(seconds=pause_seconds)


class MemoryWebhooks:
    """Webhooks in memory. Host names are not resolved."""

    def __init__(self, allowed: AllowedAddresses = AllowedAddresses()) -> None:  # noqa: B008  it is frozen
        self._allowed = allowed
        self.sent: list[WebhookMessage] = []
        self.faults: list[WheelyardError] = []
        """Raised by the next ``send``\\ s, one each."""

    async def send(self, message: WebhookMessage) -> None:
        """Store a message; raise WebhookRefusedError, or the next fault."""
        if (reason := self._allowed.why_not(message.url)) is not None:
            raise WebhookRefusedError(reason=reason)
        if self.faults:
            raise self.faults.pop(0)
        self.sent.append(message)
