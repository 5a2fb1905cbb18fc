"""Have other bytes in a zip file than its checksum was made of."""

import zipfile

from tests.hostile.sdist_parts import FOLDER, Archive, zip_of

REFUSED = "invalid-sdist"
SAID = "Bad CRC-32"


def make() -> Archive:
    name, content = zip_of({}, (zipfile.ZipInfo(f"{FOLDER}/setup.py"), b"harmless"))
    return name, content.replace(b"harmless", b"hostile!")
