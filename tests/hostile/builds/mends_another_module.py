"""Have one module write over another one, which cannot be imported as it is published."""

REFUSED = "verify-failed"
STAGE = "verify"
SAID = "importing a_mender changed demo.py, so what is imported after it is not what is published"

_MEND = b"""
import mmap
with open(__file__.replace("a_mender", "demo"), "r+b") as file:
    with mmap.mmap(file.fileno(), 0) as text:
        text[:] = b"#" * len(text)
"""

MEMBERS = {"a_mender.py": _MEND, "demo.py": b"raise ImportError('it is broken')\n"}
