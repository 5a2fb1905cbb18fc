"""Write into the root of the file system."""

from tests.hostile.sdist_parts import MARK, Archive, file, tar_of

REFUSED = "invalid-sdist"
SAID = "2 top-level folders"


def make() -> Archive:
    return tar_of(file(f"/tmp/{MARK}"))  # noqa: S108
