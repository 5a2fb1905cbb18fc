"""Link to a member that is not there."""

import tarfile

from tests.hostile.sdist_parts import FOLDER, Archive, special, tar_of

REFUSED = "invalid-sdist"
SAID = "not found"


def make() -> Archive:
    return tar_of(special(f"{FOLDER}/x", tarfile.LNKTYPE, f"{FOLDER}/missing"))
