"""Have a member that the directory calls otherwise than its own header, for readers of the one or the other."""

from tests.hostile.wheel_parts import Wheel, wheel_with

REFUSED = "untrusted-output"
SAID = "another name or kind in its header than in the directory"


def make() -> Wheel:
    named, name, directory = wheel_with(**{"demo/aa.py": b""}).rpartition(b"demo/aa.py")
    before, _, behind = named.rpartition(name)
    return before + b"demo/bb.py" + behind + name + directory
