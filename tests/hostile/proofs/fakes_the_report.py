"""Write what an honest import reports to every descriptor, and end before the import can fail."""

from tests.hostile.wheel_parts import Wheel, wheel_with

REFUSED = "verify-failed"
SAID = "import demo: its code wrote a report of its own import"


_DEMO = b"""
import json, os
line = {"name": "demo", "error": None, "behind": None, "wants": None, "standard": False, "programs": []}
line["key"] = "0" * 32
for keys in (set(line), set(line) - {"key"}):
    for number in range(1, 64):
        try:
            os.write(number, json.dumps({key: line[key] for key in keys}).encode() + b"\\n")
        except OSError:
            pass
os._exit(0)
"""


def make() -> Wheel:
    return wheel_with(**{"demo.py": _DEMO})
