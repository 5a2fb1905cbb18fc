"""Bring a device node, the first disk's."""

import tarfile

from tests.hostile.sdist_parts import FOLDER, Archive, special, tar_of

REFUSED = "invalid-sdist"
SAID = "is a special file"


def make() -> Archive:
    info, _ = special(f"{FOLDER}/sda", tarfile.BLKTYPE)
    info.devmajor, info.devminor = 8, 0
    return tar_of((info, b""))
