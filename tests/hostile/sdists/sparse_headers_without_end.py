"""Have a sparse member's map in headers (the old GNU format), each of which announces a further one."""

import tarfile

from tests.hostile.sdist_parts import FOLDER, Archive, piece, raw_tar_of, special

REFUSED = "invalid-sdist"
SAID = "unexpected end of data"
ON_HOST = "headers have more than 16 KiB"
_CHECKSUM, _FURTHER = slice(148, 156), 482


def make() -> Archive:
    header = bytearray(piece(special(f"{FOLDER}/sparse", tarfile.GNUTYPE_SPARSE)[0]))
    header[_FURTHER], header[_CHECKSUM] = 1, b" " * 8
    header[_CHECKSUM] = b"%06o\0 " % sum(header)
    further = (b"00000000001\0" * 2 * 21 + b"\1").ljust(tarfile.BLOCKSIZE, b"\0")
    return raw_tar_of(bytes(header), further * 100)
