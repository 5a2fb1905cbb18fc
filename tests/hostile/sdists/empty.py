"""Be an archive of nothing."""

from tests.hostile.sdist_parts import Archive, tar_of

REFUSED = "invalid-sdist"
SAID = "0 top-level folders"


def make() -> Archive:
    return tar_of(plain=False)
