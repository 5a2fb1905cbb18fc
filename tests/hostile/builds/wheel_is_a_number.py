"""Give a number where the wheel's name is due."""

STAGE = "build"
REFUSED = "build-failed"
SAID = "the build backend answered what it may not"


def wheel(folder):
    return 5
