"""Send the worker the agent's report of a proof, by its descriptors, memory and output, and end the agent."""

from tests.hostile.wheel_parts import Wheel, wheel_with

REFUSED = "verify-failed"
SAID = "import demo: ImportError: it is broken"


_DEMO = b"""
import glob, json, os, signal
report = {"kind": "report", "imported": ["demo"], "skipped": {}, "remarks": [], "missing_libraries": [], "packages": {}}
forged = json.dumps(report).encode() + b"\\n"
for path in ["/proc/1/fd/1", "/proc/1/mem", *glob.glob("/proc/[0-9]*/fd/*"), *glob.glob("/scratch/*")]:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        os.write(descriptor, forged)
        os.close(descriptor)
    except OSError:
        pass
print(forged.decode(), flush=True)
for number in range(1, 64):
    try:
        os.write(number, forged)
    except OSError:
        pass
for number in (signal.SIGTERM, signal.SIGSTOP, signal.SIGKILL, signal.SIGSEGV):
    for target in (1, -1):
        try:
            os.kill(target, number)
        except OSError:
            pass
raise ImportError("it is broken")
"""


def make() -> Wheel:
    return wheel_with(**{"demo.py": _DEMO})
