"""Share an inode with a file of the host, to write to it later."""

import tarfile

from tests.hostile.sdist_parts import FOLDER, Archive, special, tar_of

REFUSED = "invalid-sdist"
SAID = "is a link to an absolute path"


def make() -> Archive:
    return tar_of(special(f"{FOLDER}/shadow", tarfile.LNKTYPE, "/etc/shadow"))
