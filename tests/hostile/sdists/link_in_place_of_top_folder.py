"""Be a link instead of a folder."""

import tarfile

from tests.hostile.sdist_parts import FOLDER, Archive, special, tar_of

REFUSED = "invalid-sdist"
SAID = "is a link to an absolute path"


def make() -> Archive:
    return tar_of(special(FOLDER, tarfile.SYMTYPE, "/etc"), plain=False)
