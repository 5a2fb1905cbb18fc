"""Replace what Python imports with, for itself and in files, so that another module seems to work."""

from tests.hostile.wheel_parts import Wheel, wheel_with

REFUSED = "verify-failed"
SAID = "import demo: ImportError: it is broken"


_REPLACER = b"""
import builtins, glob, importlib, json, os, sys
json.dumps = lambda *_: '{"name": "demo", "error": null}'
importlib.import_module = builtins.__import__ = lambda *_, **__: sys
os.write = os._exit = lambda *_: None
sys.modules["demo"] = sys
sys.meta_path[:] = []
site, code = os.path.dirname(__file__), "import sys; sys.modules['demo'] = sys\\n"
places = [site, os.path.expanduser("~"), "/tmp", *glob.glob("/scratch/venv/lib*/python3*"), "/scratch"]
for folder in places:
    for name in ("sitecustomize.py", "usercustomize.py", "json.py", "importlib.py", "demo.so", "late.pth", ".pth"):
        try:
            open(os.path.join(folder, name), "x").write(code)
        except OSError:
            pass
"""


def make() -> Wheel:
    return wheel_with(**{"a_replacer.py": _REPLACER, "demo.py": b"raise ImportError('it is broken')\n"})
