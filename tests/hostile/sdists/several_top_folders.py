"""Leave open which folder is the project."""

from tests.hostile.sdist_parts import Archive, file, tar_of

REFUSED = "invalid-sdist"
SAID = "2 top-level folders"


def make() -> Archive:
    return tar_of(file("other-1.0/setup.py"))
