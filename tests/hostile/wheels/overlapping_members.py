"""Have one large member that is listed often (Fifield's zip bomb)."""

from tests.hostile.wheel_parts import Wheel, wheel_with

REFUSED = "untrusted-output"
SAID = "overlap"


def make() -> Wheel:
    pieces = wheel_with(**{"demo/a": b"x" * 5000}).split(b"PK\x01\x02")
    start = pieces[-1][38:42]
    return b"PK\x01\x02".join([*pieces[:2], pieces[2][:38] + start + pieces[2][42:], *pieces[3:]])
