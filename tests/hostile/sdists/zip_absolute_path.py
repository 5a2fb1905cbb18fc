"""Write into the root, from a zip file."""

from tests.hostile.sdist_parts import FOLDER, MARK, Archive, zip_of

REFUSED = "invalid-sdist"
SAID = "leads outside of its folder"


def make() -> Archive:
    return zip_of({f"{FOLDER}/setup.py": b"", f"/tmp/{MARK}": b"evil"})  # noqa: S108
