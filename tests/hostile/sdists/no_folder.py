"""Have everything at the top."""

from tests.hostile.sdist_parts import Archive, file, tar_of

REFUSED = "invalid-sdist"
SAID = "0 top-level folders"


def make() -> Archive:
    return tar_of(file("setup.py"), plain=False)
