"""Prebuilds and their webhooks, as their stores give them. Must not import what implements it."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from wheelyard.domain.prebuilds.lists import PrebuildFilter, PrebuildPage
from wheelyard.domain.prebuilds.prebuild import Prebuild, PrebuildTurn
from wheelyard.domain.prebuilds.webhook import WebhookMessage


class PrebuildStore(Protocol):
    """What people want for whole applications, and how far it has come."""

    async def create(self, prebuild: Prebuild) -> None:
        """Keep a new prebuild with its items, and write it into the audit log."""
        ...

    async def get(self, prebuild_id: str) -> Prebuild:
        """Read one, its builds' status as it is now; raises NotFoundError."""
        ...

    async def list_prebuilds(self, *, limit: int) -> tuple[Prebuild, ...]:
        """Read the newest ones, without their items and builds."""
        ...

    async def cancel(self, prebuild_id: str, *, cancelled_by: str) -> Prebuild:
        """End one, and with it the builds in the queue that nobody else wants, all in one transaction.

        No build is started for it any more, whoever is at it. One that is over stays as it is; raises NotFoundError.
        """
        ...

    async def page(self, wanted: PrebuildFilter) -> PrebuildPage:
        """List prebuilds, newest first, with how many of their items stand where; raises NotFoundError."""
        ...

    async def claim(self, *, lease_seconds: float) -> PrebuildTurn | None:
        """Take the unfinished one that was looked at longest ago and that nobody holds; None if there is none.

        Who has it brings it on. A turn that was lost changes nothing any more.
        """
        ...

    async def renew(self, turn: PrebuildTurn, *, lease_seconds: float) -> bool:
        """Extend the lease; False if the turn was lost, or the prebuild is over."""
        ...

    async def withdraw(self, turn: PrebuildTurn, build_ids: Collection[str]) -> tuple[str, ...]:
        """Cancel those of these builds that nobody else wants, queued or running; return their ids."""
        ...

    async def save(self, turn: PrebuildTurn) -> bool:
        """Keep what has changed: items, started builds, the end; and let go of it. False if the turn was lost."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class DueWebhook:
    """A webhook that is to be sent now."""

    prebuild_id: str
    url: str
    attempt: int
    """Counts the attempts, this one included; who holds an older one changes nothing any more."""


class WebhookOutbox(Protocol):
    """Webhooks of prebuilds that are over; each is put in by the transaction that ends its prebuild."""

    async def claim(self, *, lease_seconds: float) -> DueWebhook | None:
        """Take the one that is due for longest; it is due again after the lease. None if there is none."""
        ...

    async def delivered(self, due: DueWebhook) -> None:
        """Note that it has arrived."""
        ...

    async def failed(self, due: DueWebhook, fault: str, *, pause_seconds: float | None) -> None:
        """Note why it has not, and let it be tried again after a pause; None gives it up."""
        ...


SendWebhook = Callable[[WebhookMessage], Awaitable[None]]
"""Sends a webhook; raises WebhookRefusedError if its address is not allowed, and WebhookFailedError."""
