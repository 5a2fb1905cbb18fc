"""Bring modules with the names of the standard library's, for what proves it to import in their place."""

from tests.hostile.wheel_parts import Wheel, wheel_with

REFUSED = "verify-failed"
SAID = "shadowed"


_BOMB = b"raise SystemExit('shadowed')\n"
_NAMES = (
    "json.py",
    "os.py",
    "importlib/__init__.py",
    "site.py",
    "encodings/__init__.py",
    "wheelyard_agent/__init__.py",
)


def make() -> Wheel:
    return wheel_with(**dict.fromkeys(_NAMES, _BOMB))
