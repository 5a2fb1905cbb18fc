"""Have a RECORD that vouches for other bytes than the wheel has."""

import backend

STAGE = "repair"
REFUSED = "untrusted-output"
SAID = "its RECORD says something else"


def wheel(folder):
    backend.digest_of = lambda data: "A" * 43
    return backend.write_wheel(folder, {})
