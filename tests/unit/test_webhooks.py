"""Webhooks: signed, allowed or refused, sent again until they arrive or are given up."""

import hashlib
import hmac
import json
import re
from collections.abc import AsyncIterator, Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from tests.contract.webhook_contract import SenderContract, SenderStand
from tests.unit.api_stand import ApiStand, api_stand, assert_problem

from wheelyard.adapters.memory_webhooks import MemoryOutbox, MemoryWebhooks
from wheelyard.domain.webhook import MOST_ATTEMPTS, AllowedAddresses, pause_after, sign
from wheelyard.errors import WebhookFailedError
from wheelyard.usecases.send_webhooks import SendWebhooks

URL = "https://ci.example.org/hooks?token=secret"
FAILED = WebhookFailedError(host="ci.example.org", reason="it answered 503")
DOCS = Path(__file__).parents[2] / "docs" / "prebuild.md"


class TestMemorySender(SenderContract):
    @pytest.fixture
    def stand(self) -> SenderStand:
        sender = MemoryWebhooks()
        return SenderStand(
            sender=sender,
            url=URL,
            fail_next=lambda: sender.faults.append(FAILED),
            received=lambda: [(one.body, {name.lower(): value for name, value in one.headers}) for one in sender.sent],
        )


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[ApiStand]:
    async with api_stand(tmp_path) as stand:
        stand.resolver.add("wheelonly", "1.0")
        yield stand


@pytest.fixture
def sender() -> MemoryWebhooks:
    return MemoryWebhooks()


@pytest.fixture
def webhooks(stand: ApiStand, sender: MemoryWebhooks) -> SendWebhooks:
    prebuilds = stand.services.prebuilds
    return SendWebhooks(
        outbox=MemoryOutbox(stand.state),
        store=prebuilds.store,
        sender=sender,
        rules=prebuilds.webhooks,
        now=stand.clock,
    )


async def order(stand: ApiStand, webhook: str | None = URL) -> dict[str, Any]:
    body = {"requirements": ["wheelonly"], "prefer": "own", "webhook": webhook}
    return dict((await stand.client.post("/v1/requests", json=body)).json())


async def look(stand: ApiStand, request: dict[str, Any]) -> dict[str, Any]:
    return dict((await stand.client.get(request["url"])).json())


async def test_end_of_a_request_is_told_once_and_signed(
    stand: ApiStand, webhooks: SendWebhooks, sender: MemoryWebhooks
) -> None:
    request = await order(stand)
    assert request["webhook"] == {"host": "ci.example.org", "state": "waiting", "attempts": 0, "fault": None}
    assert not await webhooks.once(), "it is not over yet"
    await stand.services.prebuilds.advance.once()
    assert await webhooks.once()
    assert not await webhooks.once()
    (message,) = sender.sent
    told = json.loads(message.body)
    assert told["event"] == "request.finished"
    assert told["request"]["id"] == request["id"]
    assert told["request"]["is_installable"] is False
    assert told["request"]["counts"] == {"impossible": 1}
    headers = dict(message.headers)
    assert headers["Wheelyard-Delivery"] == request["id"]
    timestamp, digest = re.fullmatch(r"t=([0-9]+),v1=([0-9a-f]{64})", headers["Wheelyard-Signature"]).groups()  # type: ignore[union-attr]
    signed = f"{timestamp}.".encode() + message.body
    assert digest == hmac.new(b"secret of the webhooks", signed, hashlib.sha256).hexdigest()
    assert int(timestamp) == int(stand.clock().timestamp())
    assert (await look(stand, request))["webhook"]["state"] == "delivered"


async def test_webhook_that_fails_is_sent_again_after_growing_pauses(
    stand: ApiStand, webhooks: SendWebhooks, sender: MemoryWebhooks
) -> None:
    sender.faults = [FAILED, FAILED]
    request = await order(stand)
    await stand.services.prebuilds.advance.once()
    for pause in (1, 2):
        assert await webhooks.once()
        assert not await webhooks.once()
        stand.clock.advance(pause)
    assert (await look(stand, request))["webhook"]["fault"] == "it answered 503"
    assert await webhooks.once()
    assert len(sender.sent) == 1
    assert (await look(stand, request))["webhook"]["attempts"] == 3


async def test_webhook_that_never_arrives_is_given_up_and_shown_so(
    stand: ApiStand, webhooks: SendWebhooks, sender: MemoryWebhooks
) -> None:
    sender.faults = [FAILED] * (MOST_ATTEMPTS + 1)
    request = await order(stand)
    await stand.services.prebuilds.advance.once()
    for _ in range(MOST_ATTEMPTS):
        assert await webhooks.once()
        stand.clock.advance(3600)
    assert not await webhooks.once()
    shown = (await look(stand, request))["webhook"]
    assert (shown["state"], shown["attempts"]) == ("given-up", MOST_ATTEMPTS)
    assert sender.sent == []


async def test_webhook_whose_address_is_not_allowed_any_more_is_given_up_at_once(
    stand: ApiStand, webhooks: SendWebhooks, sender: MemoryWebhooks
) -> None:
    request = await order(stand)
    await stand.services.prebuilds.advance.once()
    sender._allowed = AllowedAddresses(entries=frozenset({"elsewhere.example"}))
    assert await webhooks.once()
    shown = (await look(stand, request))["webhook"]
    assert shown["state"] == "given-up"
    assert "the operator allows no webhooks to ci.example.org" in shown["fault"]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8123/",
        "http://[::1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://169.254.169.254/latest/meta-data",
        "http://0.0.0.0/",
        "http://192.168.1.1/",
        "https://user:password@ci.example.org/",
        "file:///etc/passwd",
        "https:///nowhere",
        "https://ci.example.org:port/",
        "https://ci.example.org/a b",
        "nothing",
    ],
)
async def test_address_that_must_not_be_reached_is_refused_with_the_request(stand: ApiStand, url: str) -> None:
    body = {"requirements": ["wheelonly"], "webhook": url}
    assert_problem(await stand.client.post("/v1/requests", json=body), 422, "webhook-refused")
    assert (await stand.client.get("/v1/requests")).json()["requests"] == []


@pytest.mark.parametrize(
    ("entries", "host", "address", "allowed"),
    [
        ((), "ci.example.org", "93.184.215.14", True),
        ((), "ci.example.org", "10.0.0.1", False),
        ((), "ci.example.org", "224.0.0.1", False),
        ((), "ci.example.org", "fe80::1", False),
        (("10.0.0.0/8",), "ci.example.org", "10.0.0.1", True),
        (("10.0.0.0/8",), "ci.example.org", "93.184.215.14", False),
        (("ci.example.org",), "ci.example.org", "10.0.0.1", True),
        (("ci.example.org",), "other.example.org", "93.184.215.14", False),
        (("127.0.0.1",), "127.0.0.1", "127.0.0.1", True),
    ],
)
def test_operator_says_where_webhooks_may_go(entries: tuple[str, ...], host: str, address: str, allowed: bool) -> None:  # noqa: FBT001
    rules = AllowedAddresses(entries=frozenset(entries))
    assert (rules.why_not_to(host, [ip_address(address)]) is None) is allowed


def test_name_that_means_an_allowed_and_another_address_is_refused() -> None:
    addresses = [ip_address("93.184.215.14"), ip_address("127.0.0.1")]
    assert AllowedAddresses().why_not_to("both.example.org", addresses) is not None
    assert AllowedAddresses().why_not_to("none.example.org", []) is not None


def test_pauses_grow_to_a_limit_and_end() -> None:
    pauses = [pause_after(attempts) for attempts in range(1, MOST_ATTEMPTS + 1)]
    assert pauses[:3] == [1.0, 2.0, 4.0]
    assert pauses[-1] is None
    assert 600 < sum(pause for pause in pauses if pause) < 1800


def test_snippet_of_the_documentation_tells_what_is_genuine(monkeypatch: pytest.MonkeyPatch) -> None:
    (snippet,) = re.findall(r"^```python\n(.*?)^```$", DOCS.read_text(), re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {}
    exec(snippet, names)  # noqa: S102  our own documentation
    is_genuine: Callable[[str, str, bytes], bool] = names["is_genuine"]
    monkeypatch.setattr("time.time", lambda: 1_000_000.0)
    header = sign("secret", 1_000_000, b"{}")
    assert is_genuine("secret", header, b"{}")
    assert not is_genuine("another", header, b"{}")
    assert not is_genuine("secret", header, b"[]")
    assert not is_genuine("secret", sign("secret", 900_000, b"{}"), b"{}"), "an old one, sent again by somebody else"
