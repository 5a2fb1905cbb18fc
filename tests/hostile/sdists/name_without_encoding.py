"""Have a name that is no UTF-8, for those who print it or keep it."""

import tarfile

from tests.hostile.sdist_parts import FOLDER, Archive, piece, raw_tar_of

HARMLESS = "The name is unpacked as its bytes are."


def make() -> Archive:
    return raw_tar_of(piece(tarfile.TarInfo(f"{FOLDER}/\udcff\udcfe.py")))
