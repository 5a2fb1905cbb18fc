"""Have a member that nobody can read without a password, where a program would stop and ask."""

from tests.hostile.sdist_parts import FOLDER, Archive, zip_of

REFUSED = "invalid-sdist"
SAID = "password required"
_ENTRY = b"PK\x01\x02"
_FLAGS = 4
"""Where they are behind the signature."""


def make() -> Archive:
    name, content = zip_of({f"{FOLDER}/setup.py": b"secret"})
    start = content.index(_ENTRY) + len(_ENTRY) + _FLAGS
    return name, content[:start] + b"\1" + content[start + 1 :]
