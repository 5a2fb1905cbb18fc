"""Write beside the folder, by a path in a pax header that takes the place of the member's own."""

from tests.hostile.sdist_parts import FOLDER, MARK, Archive, file, tar_of

REFUSED = "invalid-sdist"
SAID = "outside the destination"


def make() -> Archive:
    info, content = file(f"{FOLDER}/harmless")
    info.pax_headers = {"path": f"{FOLDER}/../../{MARK}"}
    return tar_of((info, content))
