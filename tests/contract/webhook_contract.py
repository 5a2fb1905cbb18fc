"""What every outbox of webhooks promises, and every sender."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from tests.contract.prebuild_contract import sample_prebuild, save
from tests.contract.samples import BEGINNING
from tests.contract.stores import Stores

from wheelyard.domain.prebuilds.webhook import Webhook, WebhookMessage, WebhookState
from wheelyard.errors import WebhookFailedError, WebhookRefusedError
from wheelyard.interfaces import DueWebhook, SendWebhook

URL = "https://ci.example.org/hooks?token=secret"
WAITING = Webhook(url=URL)


async def due(stores: Stores, *, lease_seconds: float = 60) -> DueWebhook:
    """Claim the webhook of the sample, which must be due."""
    taken = await stores.outbox.claim(lease_seconds=lease_seconds)
    assert taken is not None
    return taken


async def webhook_of(stores: Stores) -> Webhook:
    webhook = (await stores.prebuilds.get(sample_prebuild().id)).webhook
    assert webhook is not None
    return webhook


class OutboxContract:
    """Tests of an outbox and of the prebuilds that fill it."""

    async def create(self, stores: Stores) -> None:
        await stores.prebuilds.create(replace(sample_prebuild(), webhook=WAITING))

    async def finish(self, stores: Stores) -> None:
        await self.create(stores)
        await save(stores, finished_at=BEGINNING)

    async def test_nothing_is_due_before_the_prebuild_is_over(self, stores: Stores) -> None:
        await self.create(stores)
        await save(stores)
        assert await stores.outbox.claim(lease_seconds=60) is None
        assert await webhook_of(stores) == WAITING

    async def test_end_of_a_prebuild_makes_its_webhook_due_once(self, stores: Stores) -> None:
        await self.finish(stores)
        assert (await webhook_of(stores)).state is WebhookState.DUE
        taken = await due(stores)
        assert taken == DueWebhook(prebuild_id=sample_prebuild().id, url=URL, attempt=1)
        assert await stores.outbox.claim(lease_seconds=60) is None

    async def test_cancelled_prebuild_makes_its_webhook_due(self, stores: Stores) -> None:
        await self.create(stores)
        await stores.prebuilds.cancel(sample_prebuild().id, cancelled_by="tests")
        assert (await due(stores)).url == URL

    async def test_prebuild_that_is_over_at_once_makes_its_webhook_due(self, stores: Stores) -> None:
        await stores.prebuilds.create(replace(sample_prebuild(), webhook=WAITING, finished_at=BEGINNING))
        assert (await due(stores)).url == URL

    async def test_prebuild_without_a_webhook_makes_none_due(self, stores: Stores) -> None:
        await stores.prebuilds.create(sample_prebuild())
        await save(stores, finished_at=BEGINNING)
        assert await stores.outbox.claim(lease_seconds=60) is None
        assert (await stores.prebuilds.get(sample_prebuild().id)).webhook is None

    async def test_delivered_webhook_is_not_due_any_more(self, stores: Stores) -> None:
        await self.finish(stores)
        await stores.outbox.delivered(await due(stores, lease_seconds=0))
        assert await stores.outbox.claim(lease_seconds=60) is None
        assert await webhook_of(stores) == Webhook(url=URL, state=WebhookState.DELIVERED, attempts=1)

    async def test_failed_webhook_is_due_again_after_its_pause(self, stores: Stores) -> None:
        await self.finish(stores)
        await stores.outbox.failed(await due(stores), "it answered 500", pause_seconds=600)
        assert await stores.outbox.claim(lease_seconds=60) is None
        failed = Webhook(url=URL, state=WebhookState.DUE, attempts=1, fault="it answered 500")
        assert await webhook_of(stores) == failed

    async def test_webhook_without_a_pause_is_tried_again_at_once(self, stores: Stores) -> None:
        await self.finish(stores)
        await stores.outbox.failed(await due(stores), "it answered 500", pause_seconds=0)
        assert (await due(stores)).attempt == 2

    async def test_webhook_that_is_given_up_is_never_due_again(self, stores: Stores) -> None:
        await self.finish(stores)
        await stores.outbox.failed(await due(stores, lease_seconds=0), "it answered 500", pause_seconds=None)
        assert await stores.outbox.claim(lease_seconds=60) is None
        assert (await webhook_of(stores)).state is WebhookState.GIVEN_UP

    async def test_who_was_too_slow_changes_nothing_any_more(self, stores: Stores) -> None:
        await self.finish(stores)
        slow = await due(stores, lease_seconds=0)
        quick = await due(stores)
        await stores.outbox.failed(slow, "late", pause_seconds=None)
        await stores.outbox.delivered(quick)
        assert (await webhook_of(stores)).state is WebhookState.DELIVERED


@dataclass(frozen=True, kw_only=True)
class SenderHarness:
    """A sender that may send to one URL, and what arrived there."""

    send: SendWebhook
    url: str
    fail_next: Callable[[], None]
    """Make the next message fail."""
    received: Callable[[], list[tuple[bytes, dict[str, str]]]]
    """Bodies, and headers by their lower-case names."""

    def message(self, url: str | None = None) -> WebhookMessage:
        return WebhookMessage(url=url or self.url, body=b'{"a":1}', headers=(("webhook-id", "request-1"),))


class SenderContract:
    """Tests of a sender; the fixture ``harness`` provides one."""

    async def test_message_arrives_as_it_is(self, harness: SenderHarness) -> None:
        await harness.send(harness.message())
        ((body, headers),) = harness.received()
        assert body == b'{"a":1}'
        assert headers["webhook-id"] == "request-1"

    async def test_message_that_does_not_arrive_is_a_failure_and_can_be_sent_again(
        self, harness: SenderHarness
    ) -> None:
        harness.fail_next()
        with pytest.raises(WebhookFailedError):
            await harness.send(harness.message())
        await harness.send(harness.message())

    @pytest.mark.parametrize("url", ["http://10.1.2.3/", "http://[::1]/", "ftp://ci.example.org/", "no address"])
    async def test_nothing_goes_to_an_address_that_is_not_allowed(self, harness: SenderHarness, url: str) -> None:
        with pytest.raises(WebhookRefusedError):
            await harness.send(harness.message(url))
        assert harness.received() == []
