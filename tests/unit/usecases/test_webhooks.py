"""Webhooks: signed, allowed or refused, sent again until they arrive or are given up."""

import base64
import json
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import standardwebhooks
from pydantic import SecretStr, ValidationError
from standardwebhooks import WebhookVerificationError
from tests.contract.webhook_contract import SenderContract, SenderHarness
from tests.fakes.prebuilds import MemoryOutbox, MemoryWebhooks
from tests.unit.api_harness import ApiHarness, api_harness, assert_problem

from wheelyard.domain.access import Scope
from wheelyard.domain.prebuilds.webhook import (
    MOST_ATTEMPTS,
    AllowedAddresses,
    WebhookMessage,
    WebhookTarget,
    derive_secret,
    pause_after,
    sign,
)
from wheelyard.errors import WebhookFailedError
from wheelyard.settings import Settings
from wheelyard.usecases.send_webhooks import SendWebhooks
from wheelyard.usecases.tokens import Tokens

URL = "https://ci.example.org/hooks?token=secret"
FAILED = WebhookFailedError(host="ci.example.org", reason="it answered 503")
DOCS = Path(__file__).parents[3] / "docs" / "prebuild.md"


class TestMemorySender(SenderContract):
    @pytest.fixture
    def harness(self) -> SenderHarness:
        sender = MemoryWebhooks()
        return SenderHarness(
            send=sender.send,
            url=URL,
            fail_next=lambda: sender.faults.append(FAILED),
            received=lambda: [(one.body, {name.lower(): value for name, value in one.headers}) for one in sender.sent],
        )


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[ApiHarness]:
    async with api_harness(tmp_path) as harness:
        harness.resolver.add("wheelonly", "1.0")
        yield harness


@pytest.fixture
def sender() -> MemoryWebhooks:
    return MemoryWebhooks()


@pytest.fixture
def webhooks(harness: ApiHarness, sender: MemoryWebhooks) -> SendWebhooks:
    prebuilds = harness.services.prebuilds
    return SendWebhooks(
        outbox=MemoryOutbox(harness.state),
        store=prebuilds.store,
        send=sender.send,
        rules=prebuilds.webhooks,
        # Those who verify a signature look at the real time.
        now=lambda: datetime.now(tz=UTC),
    )


async def order(harness: ApiHarness, webhook: str | None = URL) -> dict[str, Any]:
    body = {"requirements": ["wheelonly"], "prefer": "own", "webhook": webhook}
    return dict((await harness.client.post("/v1/requests", json=body)).json())


async def look(harness: ApiHarness, request: dict[str, Any]) -> dict[str, Any]:
    return dict((await harness.client.get(request["url"])).json())


async def make_token(harness: ApiHarness, scope: Scope = Scope.REQUEST) -> str:
    tokens = Tokens(store=harness.token_store, new_secret=lambda: f"of-another-{scope}")
    _, secret = await tokens.create(name="tests", scope=scope, created_by="root")
    return secret


async def secret_for(harness: ApiHarness, url: str, **headers: str) -> str:
    answer = await harness.client.post("/v1/requests/webhook-secret", json={"url": url}, headers=headers)
    return str(answer.raise_for_status().json()["secret"])


def verify(secret: str, message: WebhookMessage) -> object:
    """Verify a message as receivers do, with the library of those who wrote the standard; give its content."""
    content: object = standardwebhooks.Webhook(secret).verify(message.body, dict(message.headers))
    return content


async def send_one(harness: ApiHarness, webhooks: SendWebhooks, sender: MemoryWebhooks) -> WebhookMessage:
    await order(harness)
    await harness.services.prebuilds.advance.once()
    assert await webhooks.once()
    return sender.sent[-1]


async def test_end_of_a_request_is_told_once_and_signed(
    harness: ApiHarness, webhooks: SendWebhooks, sender: MemoryWebhooks
) -> None:
    request = await order(harness)
    assert request["webhook"] == {"host": "ci.example.org", "state": "waiting", "attempts": 0, "fault": None}
    assert not await webhooks.once(), "it is not over yet"
    await harness.services.prebuilds.advance.once()
    assert await webhooks.once()
    assert not await webhooks.once()
    (message,) = sender.sent
    told = json.loads(message.body)
    assert told["event"] == "request.finished"
    assert told["request"]["id"] == request["id"]
    assert told["request"]["is_installable"] is False
    assert told["request"]["counts"] == {"impossible": 1}
    headers = dict(message.headers)
    assert headers["webhook-id"] == request["id"]
    assert verify(await secret_for(harness, URL), message) == told
    assert (await look(harness, request))["webhook"]["state"] == "delivered"


async def test_no_receiver_can_send_its_message_on_to_another(
    harness: ApiHarness, webhooks: SendWebhooks, sender: MemoryWebhooks
) -> None:
    message = await send_one(harness, webhooks, sender)
    other_token = {"Authorization": f"Bearer {await make_token(harness)}"}
    elsewhere = {
        await secret_for(harness, "https://other.example.org/hooks"),
        await secret_for(harness, f"{URL}x"),
        await secret_for(harness, URL, **other_token),
    }
    assert len(elsewhere | {await secret_for(harness, URL)}) == 4
    for secret in elsewhere:
        with pytest.raises(WebhookVerificationError):
            verify(secret, message)


async def test_changed_message_is_not_genuine(
    harness: ApiHarness, webhooks: SendWebhooks, sender: MemoryWebhooks
) -> None:
    message = await send_one(harness, webhooks, sender)
    secret, headers = await secret_for(harness, URL), dict(message.headers)
    changes = (
        {"webhook-id": "another"},
        {"webhook-timestamp": str(int(headers["webhook-timestamp"]) + 1)},
    )
    forged = [
        replace(message, body=message.body + b" "),
        *(replace(message, headers=tuple({**headers, **change}.items())) for change in changes),
    ]
    for one in forged:
        with pytest.raises(WebhookVerificationError):
            verify(secret, one)


async def test_messages_are_signed_with_the_former_secret_too_until_it_is_unset(
    harness: ApiHarness, webhooks: SendWebhooks, sender: MemoryWebhooks
) -> None:
    known = await secret_for(harness, URL)
    former = webhooks.rules.secret
    changed = replace(webhooks.rules, secret="a new secret of the webhooks", former_secret=former)
    message = await send_one(harness, replace(webhooks, rules=changed), sender)
    assert len(dict(message.headers)["webhook-signature"].split(" ")) == 2
    requested_by = json.loads(message.body)["request"]["requested_by"]
    for secret in (known, changed.secret_of(URL, requested_by=requested_by)):
        assert verify(secret, message)
    later = await send_one(harness, replace(webhooks, rules=replace(changed, former_secret=None)), sender)
    with pytest.raises(WebhookVerificationError):
        verify(known, later)


async def test_secret_of_a_receiver_is_for_those_who_may_request(harness: ApiHarness) -> None:
    reader = {"Authorization": f"Bearer {await make_token(harness, Scope.READ)}"}
    answer = await harness.client.post("/v1/requests/webhook-secret", json={"url": URL}, headers=reader)
    assert_problem(answer, 403, "forbidden")
    refused = await harness.client.post("/v1/requests/webhook-secret", json={"url": "http://10.0.0.1/"})
    assert_problem(refused, 422, "webhook-refused")


@pytest.mark.parametrize("secret", ["", "short", "x" * 23])
def test_secret_that_receivers_could_guess_is_no_setting(secret: str) -> None:
    with pytest.raises(ValidationError, match="at least 24"):
        Settings(webhook_secret=SecretStr(secret))


async def test_webhook_that_fails_is_sent_again_after_growing_pauses(
    harness: ApiHarness, webhooks: SendWebhooks, sender: MemoryWebhooks
) -> None:
    sender.faults = [FAILED, FAILED]
    request = await order(harness)
    await harness.services.prebuilds.advance.once()
    for pause in (1, 2):
        assert await webhooks.once()
        assert not await webhooks.once()
        harness.clock.advance(pause)
    assert (await look(harness, request))["webhook"]["fault"] == "it answered 503"
    assert await webhooks.once()
    assert len(sender.sent) == 1
    assert (await look(harness, request))["webhook"]["attempts"] == 3


async def test_webhook_that_never_arrives_is_given_up_and_shown_so(
    harness: ApiHarness, webhooks: SendWebhooks, sender: MemoryWebhooks
) -> None:
    sender.faults = [FAILED] * (MOST_ATTEMPTS + 1)
    request = await order(harness)
    await harness.services.prebuilds.advance.once()
    for _ in range(MOST_ATTEMPTS):
        assert await webhooks.once()
        harness.clock.advance(3600)
    assert not await webhooks.once()
    shown = (await look(harness, request))["webhook"]
    assert (shown["state"], shown["attempts"]) == ("given-up", MOST_ATTEMPTS)
    assert sender.sent == []


async def test_webhook_whose_address_is_not_allowed_any_more_is_given_up_at_once(
    harness: ApiHarness, webhooks: SendWebhooks, sender: MemoryWebhooks
) -> None:
    request = await order(harness)
    await harness.services.prebuilds.advance.once()
    sender._allowed = AllowedAddresses(entries=frozenset({"elsewhere.example"}))
    assert await webhooks.once()
    shown = (await look(harness, request))["webhook"]
    assert shown["state"] == "given-up"
    assert "the operator allows no webhooks to ci.example.org" in shown["fault"]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8123/",
        "http://2130706433/",
        "http://192.168.1.1/",
        "http://[::ffff:10.0.0.1]/",
        "http://localhost/",
        "https://user:password@ci.example.org/",
        "file:///etc/passwd",
        "nothing",
    ],
)
async def test_address_that_must_not_be_reached_is_refused_with_the_request(harness: ApiHarness, url: str) -> None:
    body = {"requirements": ["wheelonly"], "webhook": url}
    assert_problem(await harness.client.post("/v1/requests", json=body), 422, "webhook-refused")
    assert (await harness.client.get("/v1/requests")).json()["requests"] == []


# One in each range that is not the open internet, and those that clouds answer at.
NOT_PUBLIC = """
    0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.100.100.200 100.127.255.255 127.0.0.1 127.255.255.254 168.63.129.16
    169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.192 192.0.2.1 192.88.99.1 192.168.0.1 198.18.0.1
    198.19.255.255 198.51.100.7 203.0.113.9 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
    :: ::1 ::7f00:1 ::808:808 ::ffff:127.0.0.1 ::ffff:a9fe:a9fe ::ffff:0:808:808 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe
    64:ff9b::a00:1 64:ff9b:1::808:808 100::1 2001::1 2001:0:808:808:: 2001:2::1 2001:10::1 2001:20::1 2001:db8::1
    2002:7f00:1:: 2002:a00:1::1 2002:808:808::1 3fff::1 4000::1 5f00::1 fc00::1 fd00:ec2::254 fdff::1 fe80::1
    fe80::1%1 febf::1 fec0::1 feff::1 ff02::1 2a00:1450:4001::5efe:a00:1 2a00:1450:4001:0:200:5efe:7f00:1
"""
PUBLIC = """
    1.1.1.1 8.8.8.8 93.184.215.14 100.63.0.1 100.128.0.1 172.15.0.1 172.32.0.1 169.253.0.1 192.0.1.1 198.17.0.1
    198.20.0.1 223.255.255.1 ::ffff:8.8.8.8 64:ff9b::808:808 2001:4860:4860::8888 2606:4700::1111
"""


@pytest.mark.parametrize("address", NOT_PUBLIC.split())
def test_address_that_is_not_public_is_refused_written_in_a_url_or_behind_a_name(address: str) -> None:
    rules = AllowedAddresses()
    assert rules.why_not_to("ci.example.org", [ip_address(address)]) is not None
    assert rules.why_not_to("ci.example.org", [ip_address("8.8.8.8"), ip_address(address)]) is not None
    host = f"[{address}]" if ":" in address else address
    for written in (host, host.upper(), f"{host}:8080", f"{host}." if ":" not in host else host):
        assert rules.why_not(f"http://{written}/") is not None, written


@pytest.mark.parametrize("address", PUBLIC.split())
def test_public_address_is_allowed(address: str) -> None:
    assert AllowedAddresses().why_not_to("ci.example.org", [ip_address(address)]) is None
    assert AllowedAddresses().why_not(f"https://[{address}]/" if ":" in address else f"https://{address}/") is None


@pytest.mark.parametrize(
    "url",
    [
        *("http://0x7f000001/", "http://0177.0.0.1/", "http://127.1/", "http://0/", "http://0x/", "http://1.2.3.4.5/"),
        *("http://127.0.0.1./", "http://0300.0250.0.1/", "http://0x0a.1/", "http://00000010.0.0.1/"),
        *("http://\u2460\u2461\u2466.0.0.1/", "http://127\u30020\u30020\u30021/", "http://\uff11\uff12\uff17.0.0.1/"),
        *("http://localhost./", "http://LocalHost/", "http://a.localhost/", "http://\u24dbocalhost/"),
        *(
            "http://[::1%25lo]/",
            "http://[fe80::1%eth0]/",
            "http://[::1]@ci.example.org/",
            "http://[v1.x]/",
            "http://[/",
        ),
        *("https://ci.example.org@10.0.0.1/", "https://ci.example.org\\@10.0.0.1/", "https://ci.example.org\\.x/"),
        *("http://%31%32%37.0.0.1/", "http://a..example/", "http://.example/", f"http://{'a' * 64}.example/"),
        *("http:///nowhere", "http:ci.example.org/", "https://ci.example.org:port/", "https://ci.example.org:99999/"),
        *(
            "ftp://ci.example.org/",
            "file:///etc/passwd",
            "https://ci.example.org/a b",
            "https://ci.example.org/\t",
            "x",
        ),
    ],
)
def test_spelling_that_others_may_read_differently_is_refused(url: str) -> None:
    assert AllowedAddresses().why_not(url) is not None


@pytest.mark.parametrize(
    ("url", "host", "authority"),
    [
        ("https://CI.Example.org./hook", "ci.example.org", "ci.example.org"),
        ("https://ci.example.org:443/hook", "ci.example.org", "ci.example.org"),
        ("https://ci.example.org:8443/hook", "ci.example.org", "ci.example.org:8443"),
        ("https://m\u00fcnchen.example/hook", "xn--mnchen-3ya.example", "xn--mnchen-3ya.example"),
        ("https://[2606:4700:0::1111]:8443/hook", "2606:4700::1111", "[2606:4700::1111]:8443"),
    ],
)
def test_url_is_read_once_into_what_is_connected_to(url: str, host: str, authority: str) -> None:
    target = WebhookTarget.parse(url)
    assert (target.host, target.authority, target.path) == (host, authority, "/hook")
    assert AllowedAddresses(entries=frozenset({host})).why_not(url) is None


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
        (("127.0.0.1",), "ci.example.org", "::ffff:127.0.0.1", True),
        (("64:ff9b::/96",), "ci.example.org", "64:ff9b::808:808", True),
        (("64:ff9b::/96",), "ci.example.org", "64:ff9b::a00:1", False),
        (("64:ff9b::/96", "10.0.0.0/8"), "ci.example.org", "64:ff9b::a00:1", True),
        (("2000::/3",), "ci.example.org", "::1", False),
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


def test_snippet_of_the_documentation_tells_what_is_genuine() -> None:
    (snippet,) = re.findall(r"^```python\n(.*?)^```$", DOCS.read_text(), re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {}
    exec(snippet, names)  # noqa: S102  our own documentation
    is_genuine: Callable[[str, dict[str, str], bytes], bool] = names["is_genuine"]
    secret, another = derive_secret("master", "one"), derive_secret("master", "two")
    now = int(datetime.now(tz=UTC).timestamp())
    headers = sign([secret], "id", now, b"{}")
    assert is_genuine(secret, headers, b"{}")
    assert is_genuine(secret, sign([another, secret], "id", now, b"{}"), b"{}")
    assert not is_genuine(another, headers, b"{}")
    assert not is_genuine(secret, headers, b"[]")
    assert not is_genuine(secret, {**headers, "webhook-id": "other"}, b"{}")
    assert not is_genuine(secret, sign([secret], "id", now - 1000, b"{}"), b"{}"), "an old one, sent again"
    assert not is_genuine(secret, {}, b"{}")


def test_secrets_have_the_size_that_the_standard_asks_for() -> None:
    secret = derive_secret("master", "receiver")
    assert secret.startswith("whsec_")
    assert 24 <= len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) <= 64
