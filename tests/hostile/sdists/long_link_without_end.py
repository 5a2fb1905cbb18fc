"""Announce a link's target of four gigabytes."""

import tarfile

from tests.hostile.sdist_parts import Archive, announced

REFUSED = "invalid-sdist"
SAID = "cannot be unpacked"
ON_HOST = "headers have more than"


def make() -> Archive:
    return announced(tarfile.GNUTYPE_LONGLINK)
