"""Bring modules with the names of the standard library's, for the tools to import in their place."""

STAGE = "verify"
REFUSED = "verify-failed"
SAID = "shadowed"

_BOMB = b"raise SystemExit('shadowed')\n"
MEMBERS = {name: _BOMB for name in ("json.py", "os.py", "subprocess.py", "zipfile.py", "wheelyard_agent/__init__.py")}
