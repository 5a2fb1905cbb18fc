"""Make a link to the folder above, then write through it."""

import tarfile

from tests.hostile.sdist_parts import FOLDER, MARK, Archive, file, special, tar_of

REFUSED = "invalid-sdist"
SAID = "outside the destination"


def make() -> Archive:
    return tar_of(special(f"{FOLDER}/up", tarfile.SYMTYPE, "../.."), file(f"{FOLDER}/up/{MARK}"))
