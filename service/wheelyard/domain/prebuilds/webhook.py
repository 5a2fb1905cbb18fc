"""Webhooks: who is told that a prebuild is over, how that is signed, where it may go, and how long it is tried."""

import base64
import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, Self
from urllib.parse import urlsplit

import idna

from wheelyard.domain.addresses import Address, inner_address, is_public, unmapped

MOST_ATTEMPTS: Final = 12
_LONGEST_PAUSE_SECONDS: Final = 300.0
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_MAX_URL: Final = 2000
_NAME: Final = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
# What C libraries read as a number, and so as an IPv4 address: 2130706433, 0x7f.1, 0177.0.0.1.
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_SECRET_PREFIX: Final = "whsec_"  # noqa: S105 (what secrets of Standard Webhooks begin with)


class WebhookState(StrEnum):
    """Where a webhook stands."""

    WAITING = "waiting"
    """The request is not over yet."""
    DUE = "due"
    """It is being sent, or will be tried again."""
    DELIVERED = "delivered"
    GIVEN_UP = "given-up"
    """It was refused, or tried for as long as it is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Webhook:
    """Whom to tell of a prebuild's end, and how far that has come."""

    url: str
    state: WebhookState = WebhookState.WAITING
    attempts: int = 0
    fault: str | None = None
    """Why the newest attempt failed."""

    @property
    def host(self) -> str:
        """What of the address may be shown: the rest may be a secret."""
        return urlsplit(self.url).netloc


@dataclass(frozen=True, kw_only=True, slots=True)
class WebhookMessage:
    """What is sent."""

    url: str
    body: bytes
    headers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class WebhookTarget:
    """A URL that was read once, so that what is connected to is what was checked."""

    scheme: str
    host: str
    """A name in small ASCII letters without a dot at its end, or an address as it is usually written."""
    port: int | None
    """None: the scheme's own."""
    path: str
    """With the query."""

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read a URL; raise ValueError with what is wrong with it."""
        if len(url) > _MAX_URL or not url.isprintable() or " " in url:
            raise ValueError("it is no address of the form https://host/path")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise ValueError(f"it is no address ({error})") from error
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
            raise ValueError("it is no address of the form https://host/path")
        if "@" in parts.netloc:
            raise ValueError("it has a user or a password in it")
        path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
        if not path.startswith("/"):
            raise ValueError("it is no address of the form https://host/path")
        host = _read_host(parts.hostname, in_brackets=parts.netloc.startswith("["))
        return cls(scheme=parts.scheme, host=host, port=port, path=path)

    @property
    def address(self) -> Address | None:
        """The address, if the URL has one in place of a name."""
        return _read_address(self.host)

    @property
    def authority(self) -> str:
        """Host and port as the header ``Host`` has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        is_usual = self.port is None or self.port == _DEFAULT_PORTS[self.scheme]
        return host if is_usual else f"{host}:{self.port}"


@dataclass(frozen=True, kw_only=True, slots=True)
class AllowedAddresses:
    """Where webhooks may go: the operator's hosts and networks, or without any, every public address."""

    entries: frozenset[str] = frozenset()
    """Host names in small letters, addresses, and networks such as ``10.0.0.0/8``."""

    def why_not(self, url: str) -> str | None:
        """Return what is wrong with a URL as it is written; None if nothing is, before its name is looked up."""
        try:
            target = WebhookTarget.parse(url)
        except ValueError as error:
            return str(error)
        host = target.host
        if target.address is not None:
            return self.why_not_to(host, [target.address])
        if self.entries and host not in self.entries and not self._networks():
            return f"the operator allows no webhooks to {host}"
        # Always this host (RFC 6761, section 6.3), so that it need not be looked up.
        if not self.entries and (host == "localhost" or host.endswith(".localhost")):
            return f"{host} is not a public address, and the operator has not allowed it"
        return None

    def why_not_to(self, host: str, addresses: Sequence[Address]) -> str | None:
        """Return why a host must not be connected to at these addresses; None if all of them are allowed."""
        if host in self.entries:
            return None
        for address in map(unmapped, addresses):
            inner = inner_address(address)
            leads_on = inner is None or is_public(inner) or self._holds(inner)
            if self.entries and not (self._holds(address) and leads_on):
                return f"the operator allows no webhooks to {host}"
            if not self.entries and not is_public(address):
                return f"{host} is not a public address, and the operator has not allowed it"
        return None if addresses else f"{host} has no address"

    def _holds(self, address: Address) -> bool:
        return any(address in network for network in self._networks())

    def _networks(self) -> list[IPv4Network | IPv6Network]:
        return [network for network in map(read_network, self.entries) if network is not None]


def read_network(text: str) -> IPv4Network | IPv6Network | None:
    """Read an address or a network; None for a name."""
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def derive_secret(master: str, receiver: str) -> str:
    """Derive a receiver's own secret, which lets it forge nothing for others; in the form of Standard Webhooks."""
    key = hmac.new(master.encode(), b"wheelyard webhook receiver\0" + receiver.encode(), hashlib.sha256).digest()
    return _SECRET_PREFIX + base64.b64encode(key).decode()


def receiver_of(requested_by: str, url: str) -> str:
    """Name a receiver: a URL as one caller has given it, so that nobody gets the secret of another's receiver."""
    return f"{requested_by}\0{url}"


def sign(secrets: Sequence[str], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers of Standard Webhooks, with a signature for each secret.

    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    keys = (base64.b64decode(secret.removeprefix(_SECRET_PREFIX)) for secret in secrets)
    signatures = (base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() for key in keys)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def pause_after(attempts: int) -> float | None:
    """Say how many seconds to wait after so many failed attempts, twice as long each time; None to give up."""
    if attempts >= MOST_ATTEMPTS:
        return None
    return min(2.0 ** (attempts - 1), _LONGEST_PAUSE_SECONDS)


def _read_host(written: str, *, in_brackets: bool) -> str:
    """Bring a host to the one form that is compared; raise ValueError for what readers of URLs take differently."""
    if in_brackets:
        address = _read_address(written)
        if address is None:
            raise ValueError("its host is no address")
        if isinstance(address, IPv6Address) and address.scope_id is not None:
            raise ValueError("its address has a zone")
        return str(address)
    try:
        # UTS 46 makes ASCII digits and dots of all their other forms.
        host = written.lower() if written.isascii() else idna.encode(written, uts46=True).decode("ascii")
    except idna.IDNAError as error:
        raise ValueError(f"its host is no name ({error})") from error
    host = host.removesuffix(".")
    if not _NAME.fullmatch(host):
        raise ValueError("its host is no name")
    if _NUMBER.fullmatch(host.rpartition(".")[2]) and _read_address(host) is None:
        raise ValueError("its host is a number; write an address as 192.0.2.1 or [2001:db8::1]")
    return host


def _read_address(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
