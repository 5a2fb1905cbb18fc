"""Have a header of short records in which every key goes on to the header's end, so that a reader keeps its square."""

import tarfile

from tests.hostile.sdist_parts import FOLDER, Archive, pax_header, piece, raw_tar_of

HARMLESS = "The container's limits hold for whoever unpacks it; the host refuses the header."
ON_HOST = "headers have more than 16 KiB"


def make() -> Archive:
    return raw_tar_of(pax_header(b"5 ab " * 4000 + b"="), piece(tarfile.TarInfo(f"{FOLDER}/a")))
