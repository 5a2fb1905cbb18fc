"""Have a member of a size below zero, behind which a reader comes to the same member again, without end."""

import tarfile

from tests.hostile.sdist_parts import FOLDER, Archive, pax_header, piece, raw_tar_of

REFUSED = "invalid-sdist"
# A Python that is mended against it takes the archive to end there, and finds nothing.
SAID = "demo-1.0.tar.gz is not a usable sdist"


def make() -> Archive:
    # Back over its own header, and over the pax header with its content.
    return raw_tar_of(pax_header(b"14 size=-1536\n"), piece(tarfile.TarInfo(f"{FOLDER}/setup.py")), plain=False)
