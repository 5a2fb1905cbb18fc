"""Announce four gigabytes of pax records, so that a reader makes room for them."""

import tarfile

from tests.hostile.sdist_parts import Archive, announced

REFUSED = "invalid-sdist"
SAID = "cannot be unpacked"
ON_HOST = "headers have more than"


def make() -> Archive:
    return announced(tarfile.XHDTYPE)
