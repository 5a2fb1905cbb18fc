"""Be no archive at all."""

from tests.hostile.sdist_parts import Archive

REFUSED = "invalid-sdist"
SAID = "could not be opened"


def make() -> Archive:
    return "demo-1.0.tar.gz", b"\x7fELF, and nothing that can be unpacked"
