"""Have a header of nothing but digits, for which a reader's pattern takes a time that grows with the square."""

import tarfile

from tests.hostile.sdist_parts import FOLDER, Archive, pax_header, piece, raw_tar_of

HARMLESS = "The container's limits hold for whoever unpacks it; the host refuses the header."
ON_HOST = "headers have a number of a hundred digits"


def make() -> Archive:
    return raw_tar_of(pax_header(b"1" * 8000), piece(tarfile.TarInfo(f"{FOLDER}/a")))
