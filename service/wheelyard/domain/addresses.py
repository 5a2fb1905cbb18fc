"""Network addresses: of callers for limits, of allowed hosts, and in URLs that are shown without passwords."""

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

# Up to the last "@" before the path, because a password may contain one.
_USER: Final = re.compile(r"://[^/\s]*@")


def without_users(text: str) -> str:
    """Return a text without the users and passwords of its URLs."""
    return _USER.sub("://", text)


def plain_address(address: str) -> str:
    """Return the IPv4 form of a mapped address (``::ffff:192.0.2.1``); any other address as it is."""
    try:
        read = ip_address(address)
    except ValueError:
        return address
    mapped = read.ipv4_mapped if isinstance(read, IPv6Address) else None
    return str(mapped) if mapped else address


def caller_of_address(address: str) -> str:
    """Return what counts as one caller: an IPv4 address, or the /64 network of an IPv6 address."""
    try:
        read = ip_address(address)
    except ValueError:
        return address
    return str(IPv6Network((int(read) >> 64 << 64, 64))) if isinstance(read, IPv6Address) else address


Address = IPv4Address | IPv6Address

# Our own lists, because ipaddress.is_global differs between Python's patch releases
# (https://github.com/python/cpython/issues/113171). The sources are
# https://www.iana.org/assignments/iana-ipv4-special-registry and iana-ipv6-special-registry.
_CLOSED_IPV4: Final = tuple(
    map(
        IPv4Network,
        (
            *("0.0.0.0/8", "10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"),
            *("100.64.0.0/10", "192.0.0.0/24", "198.18.0.0/15"),  # carriers' NAT, protocols, benchmarks
            *("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"),  # documentation
            *("192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.175.48.0/24"),  # anycast services
            *("224.0.0.0/4", "240.0.0.0/4"),  # multicast, reserved and broadcast
            # Azure's own services for its machines, at an address that looks public:
            # https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16
            "168.63.129.16/32",
        ),
    )
)
# All addresses of internet hosts. It excludes loopback, fc00::/7, fe80::/10, fec0::/10, ff00::/8, 5f00::/16, ::/96
# and the mapped and translated forms of IPv4.
_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
_CLOSED_IPV6: Final = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocols: Teredo, benchmarks, ORCHID
            *("2001:db8::/32", "3fff::/20"),  # documentation
            "2002::/16",  # 6to4, which is obsolete (RFC 7526) and can contain any IPv4 address
            *("2620:4f:8000::/48", "2001:4:112::/48"),  # anycast services
        ),
    )
)
# The prefix of DNS64 (RFC 6052); the IPv4 address at the end is the destination.
_NAT64: Final = IPv6Network("64:ff9b::/96")
# ISATAP (RFC 5214, section 6.1): any IPv4 address can follow such an interface identifier.
_ISATAP: Final = frozenset({0x00005EFE, 0x02005EFE})


def unmapped(address: Address) -> Address:
    """Return the IPv4 address of a mapped IPv6 address, as the kernel uses it; any other address as it is."""
    return (address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address


def inner_address(address: Address) -> IPv4Address | None:
    """Return the IPv4 address that NAT64 connects to; None if the address is not of NAT64."""
    return IPv4Address(int(address) & 0xFFFFFFFF) if isinstance(address, IPv6Address) and address in _NAT64 else None


def is_public(address: Address) -> bool:
    """Return whether an address is on the public internet, and not in the operator's own network."""
    address = unmapped(address)
    if isinstance(address, IPv4Address):
        return address.is_global and not any(address in network for network in _CLOSED_IPV4)
    if address.scope_id is not None:
        return False
    if (inner := inner_address(address)) is not None:
        return is_public(inner)
    if address not in _GLOBAL_UNICAST or (int(address) >> 32) & 0xFFFFFFFF in _ISATAP:
        return False
    return address.is_global and not any(address in network for network in _CLOSED_IPV6)
