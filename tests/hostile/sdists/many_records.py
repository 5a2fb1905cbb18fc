"""Have thousands of records that hold for every member, so that a reader copies them for each."""

import tarfile

from tests.hostile.sdist_parts import FOLDER, Archive, piece, raw_tar_of

HARMLESS = "It is unpacked in the container; the host does not read so many records."
ON_HOST = "headers have more than 1000 records"


def make() -> Archive:
    return raw_tar_of(*(part for number in range(10) for part in (_records(500 * number), _member(number))))


def _records(first: int) -> bytes:
    records = {f"WHEELYARD.{number}": "x" for number in range(first, first + 500)}
    return tarfile.TarInfo.create_pax_global_header(records)


def _member(number: int) -> bytes:
    return piece(tarfile.TarInfo(f"{FOLDER}/{number}"))
