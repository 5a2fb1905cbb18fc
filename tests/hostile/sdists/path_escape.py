"""Write beside the folder that it is unpacked into."""

from tests.hostile.sdist_parts import FOLDER, MARK, Archive, file, tar_of

REFUSED = "invalid-sdist"
SAID = "outside the destination"


def make() -> Archive:
    return tar_of(file(f"{FOLDER}/../../{MARK}"))
