"""Bring a file twice, so that readers may see different ones."""

from tests.hostile.sdist_parts import FOLDER, Archive, file, tar_of

HARMLESS = "The last of the two is unpacked."


def make() -> Archive:
    return tar_of(file(f"{FOLDER}/a", b"one"), file(f"{FOLDER}/a", b"two"))
