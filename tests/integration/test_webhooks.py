"""Webhooks over HTTP, to a receiver on loopback."""

import asyncio
import contextlib
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.webhook_contract import SenderContract, SenderHarness
from tests.contract.webhook_receiver import Receiver, open_receiver

from wheelyard.adapters.upstream.webhooks import HttpWebhooks
from wheelyard.domain.prebuilds.webhook import AllowedAddresses
from wheelyard.errors import WebhookFailedError, WebhookRefusedError

ALLOWED = AllowedAddresses(entries=frozenset({"127.0.0.1"}))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with open_receiver() as receiver:
        yield receiver


class TestHttpSender(SenderContract):
    @pytest.fixture
    def harness(self, receiver: Receiver) -> SenderHarness:
        return SenderHarness(
            send=HttpWebhooks(ALLOWED).send,
            url=receiver.url,
            fail_next=lambda: receiver.statuses.append(500),
            received=lambda: receiver.received,
        )


def message_to(url: str) -> SenderHarness:
    return SenderHarness(send=HttpWebhooks(ALLOWED).send, url=url, fail_next=lambda: None, received=list)


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


@pytest.mark.parametrize("url", ["http://localhost.:{}/", "http://LOCALHOST:{}/", "http://loc\u24d0lhost:{}/"])
async def test_other_spelling_of_an_allowed_name_arrives_as_that_name(receiver: Receiver, url: str) -> None:
    port = receiver.url.rpartition(":")[2].partition("/")[0]
    await HttpWebhooks(AllowedAddresses(entries=frozenset({"localhost"}))).send(message_to(url.format(port)).message())
    ((_, headers),) = receiver.received
    assert headers["host"] == f"localhost:{port}"


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Answer for names: each look-up takes the next addresses, and none is left to be asked for."""
    answers: list[list[str]] = []

    def look_up(_host: str, port: object, *_: object, **__: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, port or 0)) for address in answers.pop(0)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return answers


async def test_name_that_means_something_else_the_second_time_is_looked_up_once_only(
    receiver: Receiver, answers: list[list[str]]
) -> None:
    answers[:] = [["127.0.0.1"], ["10.9.9.9"]]
    await HttpWebhooks(ALLOWED).send(message_to(receiver.url.replace("127.0.0.1", "ci.example.org")).message())
    assert len(receiver.received) == 1
    assert answers == [["10.9.9.9"]]


@pytest.mark.parametrize(
    "addresses", [["8.8.8.8", "127.0.0.1"], ["fe80::1%lo"], ["169.254.169.254"], ["fd00:ec2::254"]]
)
async def test_name_with_any_address_that_is_not_public_is_not_connected_to(
    receiver: Receiver, answers: list[list[str]], addresses: list[str]
) -> None:
    answers[:] = [addresses]
    url = receiver.url.replace("127.0.0.1", "metadata.google.internal")
    with pytest.raises(WebhookRefusedError):
        await HttpWebhooks(AllowedAddresses()).send(message_to(url).message())
    assert receiver.received == []


async def test_next_address_is_tried_where_the_first_cannot_be_connected_to(
    receiver: Receiver, answers: list[list[str]]
) -> None:
    answers[:] = [["127.0.0.2", "127.0.0.1"]]
    allowed = AllowedAddresses(entries=frozenset({"127.0.0.0/8"}))
    await HttpWebhooks(allowed).send(message_to(receiver.url.replace("127.0.0.1", "ci.example.org")).message())
    assert len(receiver.received) == 1


async def test_certificate_has_to_be_the_names(tmp_path: Path, answers: list[list[str]]) -> None:
    """The address is connected to, so the name has to be asked for and checked all the same."""
    asked: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(make_certificate(tmp_path, "ci.example.org"))
    context.sni_callback = lambda _socket, name, _context: asked.append(name)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        sender = HttpWebhooks(ALLOWED, ca_bundle=tmp_path / "certificate.pem")
        answers[:] = [["127.0.0.1"], ["127.0.0.1"]]
        await sender.send(message_to(f"https://ci.example.org:{port}/").message())
        with pytest.raises(WebhookFailedError, match="certificate"):
            await sender.send(message_to(f"https://other.example.org:{port}/").message())
    assert asked == ["ci.example.org", "other.example.org"]


async def test_receiver_that_answers_a_byte_at_a_time_is_given_up() -> None:
    async def drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            writer.write(b"HTTP/1.1 200 OK\r\nX: ")
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.01)

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        with pytest.raises(WebhookFailedError, match=r"did not answer within 0\.3 seconds"):
            await HttpWebhooks(ALLOWED, most_seconds=0.3).send(message_to(url).message())


def make_certificate(folder: Path, name: str) -> Path:
    """Make a certificate that signs itself, with its key in the same file."""
    path = folder / "certificate.pem"
    options = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}"]
    names = ["-addext", f"subjectAltName=DNS:{name}", "-keyout", str(folder / "key.pem"), "-out", str(path)]
    subprocess.run(["openssl", "req", "-x509", *options, *names], check=True, capture_output=True)
    path.write_text(path.read_text() + (folder / "key.pem").read_text())
    return path


async def test_proxies_of_the_environment_are_not_asked(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    await HttpWebhooks(ALLOWED).send(message_to(receiver.url).message())
    assert len(receiver.received) == 1


async def test_host_that_is_not_there_is_a_failure() -> None:
    with pytest.raises(WebhookFailedError):
        await HttpWebhooks(ALLOWED).send(message_to("http://127.0.0.1:9/").message())
