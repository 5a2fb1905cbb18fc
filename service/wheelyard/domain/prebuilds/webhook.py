"""Webhooks at the end of a prebuild: allowed URLs, signatures, states and retries."""

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
# C libraries read these numbers as IPv4 addresses: 2130706433, 0x7f.1, 0177.0.0.1 (inet_aton(3)).
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_SECRET_PREFIX: Final = "whsec_"  # noqa: S105 (what secrets of Standard Webhooks begin with)


class WebhookState(StrEnum):
    """The state of a webhook."""

    WAITING = "waiting"
    """The request has not ended yet."""
    DUE = "due"
    """It is being sent, or will be retried."""
    DELIVERED = "delivered"
    GIVEN_UP = "given-up"
    """It was refused, or all retries failed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Webhook:
    """The webhook of a prebuild and its state."""

    url: str
    state: WebhookState = WebhookState.WAITING
    attempts: int = 0
    fault: str | None = None
    """Why the last attempt failed."""

    @property
    def host(self) -> str:
        """Return the host, the part of the URL that may be shown: the rest may be a secret."""
        return urlsplit(self.url).netloc


@dataclass(frozen=True, kw_only=True, slots=True)
class WebhookMessage:
    """The content of a webhook."""

    url: str
    body: bytes
    headers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class WebhookTarget:
    """A parsed URL, so that the connection uses exactly what was checked."""

    scheme: str
    host: str
    """A name in lower-case ASCII without a final dot, or an address in its canonical form."""
    port: int | None
    """None for the scheme's default port."""
    path: str
    """The path with the query."""

    @classmethod
    def parse(cls, url: str) -> Self:
        """Parse a URL; raise ValueError with the problem."""
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
        """Return the IP address, if the URL has one in place of a name."""
        return _read_address(self.host)

    @property
    def authority(self) -> str:
        """Return host and port as the header ``Host`` has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        is_usual = self.port is None or self.port == _DEFAULT_PORTS[self.scheme]
        return host if is_usual else f"{host}:{self.port}"


@dataclass(frozen=True, kw_only=True, slots=True)
class AllowedAddresses:
    """The allowed hosts of webhooks: the operator's hosts and networks, or every public address if there are none."""

    entries: frozenset[str] = frozenset()
    """Host names in lower case, addresses, and networks such as ``10.0.0.0/8``."""

    def why_not(self, url: str) -> str | None:
        """Return why a URL is not allowed, before its name is looked up; None if it is allowed so far."""
        try:
            target = WebhookTarget.parse(url)
        except ValueError as error:
            return str(error)
        host = target.host
        if target.address is not None:
            return self.why_not_to(host, [target.address])
        if self.entries and host not in self.entries and not self._networks():
            return f"the operator allows no webhooks to {host}"
        # Always this host (RFC 6761, section 6.3), so no lookup is needed.
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
    """Return the network that a text stands for; None for a name."""
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def derive_secret(master: str, receiver: str) -> str:
    """Return a receiver's own secret, in the form of Standard Webhooks. It cannot sign for other receivers."""
    key = hmac.new(master.encode(), b"wheelyard webhook receiver\0" + receiver.encode(), hashlib.sha256).digest()
    return _SECRET_PREFIX + base64.b64encode(key).decode()


def receiver_of(requested_by: str, url: str) -> str:
    """Return the name of a receiver: caller and URL, so that no caller gets the secret of another one's receiver."""
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
    """Return the seconds to wait after a number of failed attempts, doubled each time; None to give up."""
    if attempts >= MOST_ATTEMPTS:
        return None
    return min(2.0 ** (attempts - 1), _LONGEST_PAUSE_SECONDS)


def _read_host(written: str, *, in_brackets: bool) -> str:
    """Return a host in canonical form; raise ValueError for forms that programs read differently."""
    if in_brackets:
        address = _read_address(written)
        if address is None:
            raise ValueError("its host is no address")
        if isinstance(address, IPv6Address) and address.scope_id is not None:
            raise ValueError("its address has a zone")
        return str(address)
    try:
        # UTS 46 turns all other forms of digits and dots into ASCII.
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
