"""Webhooks: whom to tell that a prebuild is over, how that is signed, how long it is tried. Must not send anything."""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

SIGNATURE_HEADER: Final = "Wheelyard-Signature"
MOST_ATTEMPTS: Final = 12
_LONGEST_PAUSE_SECONDS: Final = 300.0
_SCHEMES: Final = frozenset({"http", "https"})
_MAX_URL: Final = 2000

Address = IPv4Address | IPv6Address


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
class AllowedAddresses:
    """Where webhooks may go: the operator's hosts and networks, or without any, every public address."""

    entries: frozenset[str] = frozenset()
    """Host names in small letters, addresses, and networks such as ``10.0.0.0/8``."""

    def why_not(self, url: str) -> str | None:
        """Say what is wrong with an address as it is written; None if nothing is, before its name is looked up."""
        try:
            parts = urlsplit(url)
            host = parts.hostname or ""
            _ = parts.port
        except ValueError as error:
            return f"it is no address ({error})"
        if parts.scheme not in _SCHEMES or not host or len(url) > _MAX_URL or not url.isprintable() or " " in url:
            return "it is no address of the form https://host/path"
        if "@" in parts.netloc:
            return "it has a user or a password in it"
        literal = read_address(host)
        if literal is not None:
            return self.why_not_to(host, [literal])
        if self.entries and host not in self.entries and not self._networks():
            return f"the operator allows no webhooks to {host}"
        return None

    def why_not_to(self, host: str, addresses: Sequence[Address]) -> str | None:
        """Say why a host must not be connected to at these addresses; None if all of them are allowed."""
        if host in self.entries:
            return None
        for address in addresses:
            if self.entries and not any(address in network for network in self._networks()):
                return f"the operator allows no webhooks to {host}"
            if not self.entries and not _is_public(address):
                return f"{host} is not a public address, and the operator has not allowed it"
        return None if addresses else f"{host} has no address"

    def _networks(self) -> list[IPv4Network | IPv6Network]:
        return [network for network in map(read_network, self.entries) if network is not None]


def read_address(host: str) -> Address | None:
    """Read an IP address; None for a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def read_network(text: str) -> IPv4Network | IPv6Network | None:
    """Read an address or a network; None for a name."""
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def sign(secret: str, timestamp: int, body: bytes) -> str:
    """Write the signature header: HMAC-SHA256 over the time in seconds, a dot, and the body."""
    digest = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


def pause_after(attempts: int) -> float | None:
    """Say how many seconds to wait after so many failed attempts, twice as long each time; None to give up."""
    if attempts >= MOST_ATTEMPTS:
        return None
    return min(2.0 ** (attempts - 1), _LONGEST_PAUSE_SECONDS)


def _is_public(address: Address) -> bool:
    """Tell whether it is on the open internet: not loopback, private, link-local, multicast or otherwise special."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_global and not (mapped or address).is_multicast
