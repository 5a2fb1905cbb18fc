"""Who counts as one caller, and which proxies the settings take."""

import pytest
from pydantic import ValidationError

from wheelyard.domain.addresses import caller_of_address, plain_address
from wheelyard.settings import Settings


@pytest.mark.parametrize(
    ("address", "caller"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("no address", "no address"),
        ("", ""),
    ],
)
def test_half_of_an_ipv6_address_is_one_caller(address: str, caller: str) -> None:
    assert caller_of_address(address) == caller


@pytest.mark.parametrize(
    ("address", "plain"), [("::ffff:192.0.2.1", "192.0.2.1"), ("2001:db8::1", "2001:db8::1"), ("unix", "unix")]
)
def test_mapped_address_is_written_as_what_it_is(address: str, plain: str) -> None:
    assert plain_address(address) == plain


def test_proxies_are_addresses_and_networks() -> None:
    read = Settings(trusted_proxies=("127.0.0.1", "10.0.0.7/24", "::1"))
    assert read.trusted_proxies == ("127.0.0.1/32", "10.0.0.0/24", "::1/128")


@pytest.mark.parametrize("text", ["*", "proxy.example.org", "0.0.0.0/0", "::/0", "", "10.0.0.0/40"])
def test_what_would_trust_everybody_or_nobody_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="is not an address or network of a proxy"):
        Settings(trusted_proxies=(text,))
