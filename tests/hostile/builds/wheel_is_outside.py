"""Name a file outside of the output folder as the wheel."""

STAGE = "build"
REFUSED = "build-failed"
SAID = "outside"


def wheel(folder):
    return "../../../../etc/passwd"
