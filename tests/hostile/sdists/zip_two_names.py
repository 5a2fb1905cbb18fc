"""Have a member that the directory calls otherwise than its own header, for readers of the one or the other."""

from tests.hostile.sdist_parts import FOLDER, Archive, zip_of

REFUSED = "invalid-sdist"
SAID = "differ"


def make() -> Archive:
    name, content = zip_of({f"{FOLDER}/setup.py": b""})
    return name, content.replace(b"setup.py", b"other.py", 1)
