"""Have a link that climbs out of the folder."""

import tarfile

from tests.hostile.sdist_parts import FOLDER, Archive, special, tar_of

REFUSED = "invalid-sdist"
SAID = "outside the destination"


def make() -> Archive:
    return tar_of(special(f"{FOLDER}/up", tarfile.SYMTYPE, "../../.."))
