"""Bring a pipe, at which a reader would wait for ever."""

import tarfile

from tests.hostile.sdist_parts import FOLDER, Archive, special, tar_of

REFUSED = "invalid-sdist"
SAID = "is a special file"


def make() -> Archive:
    return tar_of(special(f"{FOLDER}/setup.cfg", tarfile.FIFOTYPE))
