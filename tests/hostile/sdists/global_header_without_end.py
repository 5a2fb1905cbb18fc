"""Announce four gigabytes of records for all members."""

import tarfile

from tests.hostile.sdist_parts import Archive, announced

REFUSED = "invalid-sdist"
SAID = "cannot be unpacked"
ON_HOST = "headers have more than"


def make() -> Archive:
    return announced(tarfile.XGLTYPE)
