"""Bring a program that runs as its owner."""

from tests.hostile.sdist_parts import FOLDER, Archive, file, tar_of

HARMLESS = "It is unpacked without the special modes."


def make() -> Archive:
    info, content = file(f"{FOLDER}/tool")
    info.mode = 0o6755
    return tar_of((info, content))
