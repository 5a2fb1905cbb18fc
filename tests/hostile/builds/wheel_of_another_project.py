"""Make a wheel of another project, to have it published under that name."""

import backend

STAGE = "repair"
REFUSED = "untrusted-output"
SAID = "requests 99.0"


def wheel(folder):
    (folder / backend.write_wheel(folder, {})).rename(folder / "requests-99.0-py3-none-any.whl")
    return "requests-99.0-py3-none-any.whl"
