"""Addresses: of callers as limits count them, and in what people write, shown without users and passwords."""

import re
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Final

# Up to the last "@" before a path begins: a password may hold one itself.
_USER: Final = re.compile(r"://[^/\s]*@")


def without_users(text: str) -> str:
    """Take users and passwords out of every address in a text."""
    return _USER.sub("://", text)


def plain_address(address: str) -> str:
    """Write an IPv4 address that an IPv6 socket has mapped (``::ffff:192.0.2.1``) as what it is."""
    try:
        read = ip_address(address)
    except ValueError:
        return address
    mapped = read.ipv4_mapped if isinstance(read, IPv6Address) else None
    return str(mapped) if mapped else address


def caller_of_address(address: str) -> str:
    """Say what counts as one caller: an IPv4 address, or the half of an IPv6 address that one customer has."""
    try:
        read = ip_address(address)
    except ValueError:
        return address
    return str(IPv6Network((int(read) >> 64 << 64, 64))) if isinstance(read, IPv6Address) else address
