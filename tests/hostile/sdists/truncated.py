"""End in the middle."""

from tests.hostile.sdist_parts import FOLDER, Archive, file, tar_of

REFUSED = "invalid-sdist"
SAID = "ended before the end-of-stream marker"


def make() -> Archive:
    name, content = tar_of(file(f"{FOLDER}/a", bytes(range(256)) * 200))
    return name, content[: len(content) // 2]
