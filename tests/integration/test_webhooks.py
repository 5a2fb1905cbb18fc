"""Webhooks over HTTP, to a receiver on loopback."""

from collections.abc import Iterator

import pytest
from tests.contract.webhook_contract import SenderContract, SenderStand
from tests.contract.webhook_receiver import Receiver, open_receiver

from wheelyard.adapters.webhook_http import HttpWebhooks
from wheelyard.domain.webhook import AllowedAddresses
from wheelyard.errors import WebhookFailedError, WebhookRefusedError

ALLOWED = AllowedAddresses(entries=frozenset({"127.0.0.1"}))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with open_receiver() as receiver:
        yield receiver


class TestHttpSender(SenderContract):
    @pytest.fixture
    def stand(self, receiver: Receiver) -> SenderStand:
        return SenderStand(
            sender=HttpWebhooks(ALLOWED),
            url=receiver.url,
            fail_next=lambda: receiver.statuses.append(500),
            received=lambda: receiver.received,
        )


def message_to(url: str) -> SenderStand:
    return SenderStand(sender=HttpWebhooks(ALLOWED), url=url, fail_next=lambda: None, received=list)


@pytest.mark.parametrize("status", [301, 307, 404, 500])
async def test_any_other_answer_is_a_failure_and_redirects_are_not_followed(receiver: Receiver, status: int) -> None:
    receiver.statuses.append(status)
    with pytest.raises(WebhookFailedError, match=f"it answered {status}"):
        await HttpWebhooks(ALLOWED).send(message_to(receiver.url).message())
    assert len(receiver.received) == 1


async def test_name_is_looked_up_and_its_addresses_count(receiver: Receiver) -> None:
    message = message_to(receiver.url.replace("127.0.0.1", "localhost")).message()
    with pytest.raises(WebhookRefusedError, match="localhost is not a public address"):
        await HttpWebhooks(AllowedAddresses()).send(message)
    assert receiver.received == []
    await HttpWebhooks(AllowedAddresses(entries=frozenset({"localhost"}))).send(message)
    ((_, headers),) = receiver.received
    assert headers["host"].startswith("localhost:")


async def test_proxies_of_the_environment_are_not_asked(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    await HttpWebhooks(ALLOWED).send(message_to(receiver.url).message())
    assert len(receiver.received) == 1


async def test_host_that_is_not_there_is_a_failure() -> None:
    with pytest.raises(WebhookFailedError):
        await HttpWebhooks(ALLOWED).send(message_to("http://127.0.0.1:9/").message())
