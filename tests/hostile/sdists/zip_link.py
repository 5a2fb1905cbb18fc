"""Have a member that is marked as a symbolic link, in a zip file."""

import stat
import zipfile

from tests.hostile.sdist_parts import FOLDER, Archive, zip_of

HARMLESS = "It becomes a file, which holds what would be the link's target."


def make() -> Archive:
    info = zipfile.ZipInfo(f"{FOLDER}/passwd")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return zip_of({f"{FOLDER}/setup.py": b""}, (info, b"/etc/passwd"))
