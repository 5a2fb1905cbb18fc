"""Claim a member that is far larger than the archive."""

import gzip
import tarfile

from tests.hostile.sdist_parts import FOLDER, Archive, tar_of

REFUSED = "invalid-sdist"
SAID = "unexpected end of data"


def make() -> Archive:
    info = tarfile.TarInfo(f"{FOLDER}/large")
    info.size = 1 << 60
    name, content = tar_of()
    header = info.tobuf(tarfile.GNU_FORMAT)
    return name, gzip.compress(gzip.decompress(content)[:512] + header + bytes(1024), mtime=0)
