"""Webhooks in memory, for tests: the twins of the outbox in PostgreSQL and of the sender over HTTP."""

from dataclasses import replace
from datetime import timedelta

from tests.fakes.records import MemoryState

from wheelyard.domain.prebuilds.webhook import AllowedAddresses, WebhookMessage, WebhookState
from wheelyard.errors import WebhookRefusedError, WheelyardError
from wheelyard.interfaces import DueWebhook


class MemoryOutbox:
    """The WebhookOutbox in memory."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state

    async def claim(self, *, lease_seconds: float) -> DueWebhook | None:
        """Take the one that is due for longest."""
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
        """Note the end."""
        record = self._state.webhooks[due.prebuild_id]
        if record.webhook.attempts == due.attempt:
            record.webhook = replace(record.webhook, state=WebhookState.DELIVERED, fault=None)
            record.due_at = None

    async def failed(self, due: DueWebhook, fault: str, *, pause_seconds: float | None) -> None:
        """Note why, and when it is due again, if at all."""
        record = self._state.webhooks[due.prebuild_id]
        if record.webhook.attempts != due.attempt:
            return
        state = WebhookState.GIVEN_UP if pause_seconds is None else WebhookState.DUE
        record.webhook = replace(record.webhook, state=state, fault=fault)
        now = self._state.clock()
        record.due_at = None if pause_seconds is None else now + timedelta(seconds=pause_seconds)


class MemoryWebhooks:
    """The WebhookSender in memory. It looks up no names."""

    def __init__(self, allowed: AllowedAddresses = AllowedAddresses()) -> None:  # noqa: B008  it is frozen
        self._allowed = allowed
        self.sent: list[WebhookMessage] = []
        self.faults: list[WheelyardError] = []
        """Raised by the next ``send``\\ s, one each."""

    async def send(self, message: WebhookMessage) -> None:
        """Keep a message; raises WebhookRefusedError, or the fault whose turn it is."""
        if (reason := self._allowed.why_not(message.url)) is not None:
            raise WebhookRefusedError(reason=reason)
        if self.faults:
            raise self.faults.pop(0)
        self.sent.append(message)
