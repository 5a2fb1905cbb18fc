"""Addresses in what people write: shown without users and passwords. Must not fetch anything."""

import re
from typing import Final

# Up to the last "@" before a path begins: a password may hold one itself.
_USER: Final = re.compile(r"://[^/\s]*@")


def without_users(text: str) -> str:
    """Take users and passwords out of every address in a text."""
    return _USER.sub("://", text)
