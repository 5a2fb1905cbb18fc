"""Have a file that RECORD does not list, so that uninstalling leaves it."""

import zipfile

from tests.hostile.wheel_parts import Wheel, zipped

REFUSED = "untrusted-output"
SAID = "its RECORD does not list 'demo/hidden.py'"


def make() -> Wheel:
    return zipped((zipfile.ZipInfo("demo/hidden.py"), b"evil"))
