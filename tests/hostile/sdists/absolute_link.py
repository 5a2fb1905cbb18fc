"""Have a link that shows a file of the host."""

import tarfile

from tests.hostile.sdist_parts import FOLDER, Archive, special, tar_of

REFUSED = "invalid-sdist"
SAID = "is a link to an absolute path"


def make() -> Archive:
    return tar_of(special(f"{FOLDER}/passwd", tarfile.SYMTYPE, "/etc/passwd"))
