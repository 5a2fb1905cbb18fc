"""Claim members of four gigabytes each."""

from tests.hostile.wheel_parts import Wheel, wheel_with

REFUSED = "untrusted-output"
SAID = "it unpacks to"


def make() -> Wheel:
    pieces = wheel_with(**{"demo/a": b"", "demo/b": b"", "demo/c": b""}).split(b"PK\x01\x02")
    return b"PK\x01\x02".join([pieces[0], *(piece[:20] + b"\xfe\xff\xff\xff" + piece[24:] for piece in pieces[1:])])
