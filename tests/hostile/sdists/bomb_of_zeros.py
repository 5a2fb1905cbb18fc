"""Claim in a zip's directory that a thousand small members are four gigabytes each."""

from tests.hostile.sdist_parts import FOLDER, Archive, zip_of

REFUSED = "disk-limit"
SAID = "filled its writable space"


def make() -> Archive:
    name, content = zip_of({f"{FOLDER}/{number}": b"" for number in range(1000)})
    pieces = content.split(b"PK\x01\x02")
    claimed = [piece[:20] + b"\xfe\xff\xff\xff" + piece[24:] for piece in pieces[1:]]
    return name, b"PK\x01\x02".join([pieces[0], *claimed])
