"""Have a link whose target is harmless, but for the pax header that takes its place."""

import tarfile

from tests.hostile.sdist_parts import FOLDER, Archive, special, tar_of

REFUSED = "invalid-sdist"
SAID = "is a link to an absolute path"


def make() -> Archive:
    info, content = special(f"{FOLDER}/passwd", tarfile.SYMTYPE, "setup.py")
    info.pax_headers = {"linkpath": "/etc/passwd"}
    return tar_of((info, content))
