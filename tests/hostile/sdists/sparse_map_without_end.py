"""Have a sparse member's map in its content (GNU sparse 1.0), as long as a reader goes on reading it."""

import tarfile

from tests.hostile.sdist_parts import FOLDER, Archive, pax_header, piece, raw_tar_of

REFUSED = "invalid-sdist"
SAID = "cannot be unpacked"
ON_HOST = "headers have more than 16 KiB"


def make() -> Archive:
    content = b"900000000\n" + b"0\n" * 100_000
    info = tarfile.TarInfo(f"{FOLDER}/sparse")
    info.size = len(content)
    return raw_tar_of(pax_header(b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n"), piece(info, content))
