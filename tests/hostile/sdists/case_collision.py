"""Bring two files that are one where case does not count."""

from tests.hostile.sdist_parts import FOLDER, Archive, file, tar_of

HARMLESS = "Both are unpacked, as case counts in a container."


def make() -> Archive:
    return tar_of(file(f"{FOLDER}/A"), file(f"{FOLDER}/a"))
