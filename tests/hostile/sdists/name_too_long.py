"""Have a name that no file system takes."""

from tests.hostile.sdist_parts import FOLDER, Archive, file, tar_of

REFUSED = "invalid-sdist"
SAID = "File name too long"


def make() -> Archive:
    return tar_of(file(f"{FOLDER}/{'x' * 300}"))
