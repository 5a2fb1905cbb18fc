"""Send a signed webhook when a prebuild is over, and repeat it until it is delivered or given up.

The outbox has a row for each prebuild that is over.
"""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from wheelyard.domain.prebuilds.prebuild import Prebuild
from wheelyard.domain.prebuilds.webhook import (
    AllowedAddresses,
    WebhookMessage,
    derive_secret,
    pause_after,
    receiver_of,
    sign,
)
from wheelyard.errors import NotFoundError, RecordUnreadableError, WebhookFailedError, WebhookRefusedError
from wheelyard.interfaces import DueWebhook, PrebuildStore, SendWebhook, WebhookOutbox
from wheelyard.logs import get_logger

_LEASE_SECONDS: Final = 60.0
_EVENT: Final = "request.finished"
_log = get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class WebhookRules:
    """What the operator has set."""

    secret: str | None
    """Each receiver's secret is derived from this one. Without it nothing can be signed, and webhooks are refused."""
    allowed: AllowedAddresses
    former_secret: str | None = None
    """The former secret, which signs too until all receivers know the secrets derived from the new one."""

    def check(self, url: str) -> None:
        """Raise WebhookRefusedError for a URL that is not allowed as written; host names are resolved later."""
        reason = "the operator has set no secret to sign with" if not self.secret else self.allowed.why_not(url)
        if reason is not None:
            raise WebhookRefusedError(reason=reason)

    def secret_of(self, url: str, *, requested_by: str) -> str:
        """Return the secret that signs a caller's webhooks to a URL; raise WebhookRefusedError."""
        self.check(url)
        return self.secrets_of(url, requested_by=requested_by)[0]

    def secrets_of(self, url: str, *, requested_by: str) -> list[str]:
        """Return the secrets that sign a webhook, newest first."""
        masters = [secret for secret in (self.secret, self.former_secret) if secret]
        return [derive_secret(master, receiver_of(requested_by, url)) for master in masters]


@dataclass(frozen=True, kw_only=True, slots=True)
class SendWebhooks:
    """Sends the webhooks of the outbox."""

    outbox: WebhookOutbox
    store: PrebuildStore
    send: SendWebhook
    rules: WebhookRules
    now: Callable[[], datetime]

    async def once(self) -> bool:
        """Send the next webhook that is due; return whether there was one. Raise DatabaseUnavailableError."""
        due = await self.outbox.claim(lease_seconds=_LEASE_SECONDS)
        if due is None:
            return False
        try:
            await self.send(await self._message(due))
        except WebhookFailedError as error:
            await self._note(due, error.reason, pause_after(due.attempt))
        except (WebhookRefusedError, NotFoundError, RecordUnreadableError) as error:
            await self._note(due, error.summary, None)
        else:
            await self.outbox.delivered(due)
            _log.info("webhook-delivered", prebuild=due.prebuild_id, attempts=due.attempt)
        return True

    async def _message(self, due: DueWebhook) -> WebhookMessage:
        self.rules.check(due.url)
        prebuild = await self.store.get(due.prebuild_id)
        body = _body(prebuild)
        secrets = self.rules.secrets_of(due.url, requested_by=prebuild.requested_by)
        signed = sign(secrets, due.prebuild_id, int(self.now().timestamp()), body)
        headers = {"Content-Type": "application/json", **signed}
        return WebhookMessage(url=due.url, body=body, headers=tuple(headers.items()))

    async def _note(self, due: DueWebhook, fault: str, pause: float | None) -> None:
        await self.outbox.failed(due, fault, pause_seconds=pause)
        event = "webhook-given-up" if pause is None else "webhook-failed"
        _log.warning(event, prebuild=due.prebuild_id, attempts=due.attempt, reason=fault, again_in_seconds=pause)


def _body(prebuild: Prebuild) -> bytes:
    """Return the body: the result in short; the API has the details."""
    finished = prebuild.finished_at
    content = {
        "event": _EVENT,
        "request": {
            "id": prebuild.id,
            "url": f"/v1/requests/{prebuild.id}",
            "requested_by": prebuild.requested_by,
            "created_at": prebuild.created_at.isoformat(),
            "finished_at": finished.isoformat() if finished else None,
            "cancelled": prebuild.cancelled,
            "is_installable": prebuild.is_installable,
            "counts": dict(Counter(item.status.value for item in prebuild.items)),
        },
    }
    return json.dumps(content, separators=(",", ":")).encode()
