"""Have a pax header that is not UTF-8 where it must be."""

import gzip

from tests.hostile.sdist_parts import FOLDER, Archive, file, tar_of

HARMLESS = "The name is unpacked as its bytes are."


def make() -> Archive:
    name, content = tar_of(file(f"{FOLDER}/{'é' * 60}"))
    return name, gzip.compress(gzip.decompress(content).replace("é".encode(), b"\xff\xfe"), mtime=0)
