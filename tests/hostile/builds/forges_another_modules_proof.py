"""Have one module write the report of another that cannot be imported: while it is imported, and by what it leaves."""

REFUSED = "verify-failed"
STAGE = "verify"
SAID = "import demo: ImportError: it is broken"

_FORGE = b"""
import glob, importlib, json, os, sys, time
line = {"name": "demo", "error": None, "behind": None, "wants": None, "standard": False}
forged = json.dumps(line).encode() + b"\\n"
def forge():
    for path in glob.glob("/proc/[0-9]*/fd/*"):
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
            os.write(descriptor, forged)
            os.close(descriptor)
        except OSError:
            pass
def daemonise():
    if not os.fork():
        os.setsid()
        if not os.fork():
            return True
        os._exit(0)
    return False
site = os.path.dirname(__file__)
for name in ("sitecustomize.py", "demo.cpython-313-x86_64-linux-gnu.so", "late.pth", "/tmp/left"):
    open(os.path.join(site, name), "w").write("import a_forger\\n")
importlib.import_module = lambda name: None
sys.modules["demo"] = sys
if daemonise():
    while True:
        forge()
        if os.path.exists(f"{site}/demo.py"):
            time.sleep(0.001)
"""

MEMBERS = {
    "a_forger.py": _FORGE,
    "a_forger.pth": b"import a_forger\n",
    "demo.py": b"import os\nassert os.listdir('/tmp') == [], os.listdir('/tmp')\nraise ImportError('it is broken')\n",
}
