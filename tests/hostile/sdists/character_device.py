"""Bring a device node, the memory's."""

import tarfile

from tests.hostile.sdist_parts import FOLDER, Archive, special, tar_of

REFUSED = "invalid-sdist"
SAID = "is a special file"


def make() -> Archive:
    info, _ = special(f"{FOLDER}/mem", tarfile.CHRTYPE)
    info.devmajor, info.devminor = 1, 1
    return tar_of((info, b""))
