"""Prebuilds and their webhooks, as their stores provide them."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from wheelyard.domain.prebuilds.lists import PrebuildFilter, PrebuildPage
from wheelyard.domain.prebuilds.prebuild import Prebuild, PrebuildTurn
from wheelyard.domain.prebuilds.webhook import WebhookMessage


class PrebuildStore(Protocol):
    """Requests for the dependencies of applications, and their progress."""

    async def create(self, prebuild: Prebuild) -> None:
        """Store a new prebuild with its items, and record it in the audit log."""
        ...

    async def get(self, prebuild_id: str) -> Prebuild:
        """Return a prebuild with its builds' present status; raise NotFoundError."""
        ...

    async def list_prebuilds(self, *, limit: int) -> tuple[Prebuild, ...]:
        """Return the newest prebuilds, without their items and builds."""
        ...

    async def cancel(self, prebuild_id: str, *, cancelled_by: str) -> Prebuild:
        """Cancel a prebuild, and its queued builds that nothing else needs, all in one transaction.

        No build is started for it any more, whichever process works on it. One that is over stays as it is; raises
        NotFoundError.
        """
        ...

    async def page(self, wanted: PrebuildFilter) -> PrebuildPage:
        """Return prebuilds, newest first, with the number of items in each state; raise NotFoundError."""
        ...

    async def claim(self, *, lease_seconds: float) -> PrebuildTurn | None:
        """Claim the unfinished prebuild that was looked at longest ago and is not claimed; None if there is none.

        The holder advances it. A lost claim changes nothing any more.
        """
        ...

    async def renew(self, turn: PrebuildTurn, *, lease_seconds: float) -> bool:
        """Extend the lease; return False if the claim was lost, or the prebuild is over."""
        ...

    async def withdraw(self, turn: PrebuildTurn, build_ids: Collection[str]) -> tuple[str, ...]:
        """Cancel those of these builds that nothing else needs, queued or running; return their ids."""
        ...

    async def begin_campaign(self, campaign: Prebuild) -> tuple[str, bool]:
        """Store a campaign, and return its id and False; if one with its key is open, return that one's id and True.

        The releases of projects that the open one lacks are added to it. Both are recorded in the audit log.
        """
        ...

    async def save(self, turn: PrebuildTurn, *, pause_seconds: float = 0.0) -> bool:
        """Save what has changed (items, started builds, the end) and release the claim. False if the claim was lost.

        Nobody claims it again before the pause is over.
        """
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class DueWebhook:
    """A webhook that must be sent now."""

    prebuild_id: str
    url: str
    attempt: int
    """The number of attempts, including this one; the holder of an older one changes nothing any more."""


class WebhookOutbox(Protocol):
    """Webhooks of prebuilds that are over; each is added by the transaction that ends its prebuild."""

    async def claim(self, *, lease_seconds: float) -> DueWebhook | None:
        """Claim the webhook that is due for longest; it is due again after the lease. None if there is none."""
        ...

    async def delivered(self, due: DueWebhook) -> None:
        """Record that it was delivered."""
        ...

    async def failed(self, due: DueWebhook, fault: str, *, pause_seconds: float | None) -> None:
        """Record why it failed, and try it again after a pause; None gives it up."""
        ...


SendWebhook = Callable[[WebhookMessage], Awaitable[None]]
"""Sends a webhook; raises WebhookRefusedError if its URL is not allowed, and WebhookFailedError."""
