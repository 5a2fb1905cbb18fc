"""Claim a sparse member of an exabyte (GNU sparse 1.0 in pax headers)."""

import tarfile

from tests.hostile.sdist_parts import FOLDER, Archive, special, tar_of

REFUSED = "disk-limit"
SAID = "filled its writable space"


def make() -> Archive:
    info, _ = special(f"{FOLDER}/sparse", tarfile.REGTYPE)
    info.pax_headers = {
        "GNU.sparse.major": "0",
        "GNU.sparse.minor": "1",
        "GNU.sparse.map": f"{1 << 60},0",
        "GNU.sparse.size": str(1 << 60),
        "GNU.sparse.realsize": str(1 << 60),
    }
    return tar_of((info, b""))
