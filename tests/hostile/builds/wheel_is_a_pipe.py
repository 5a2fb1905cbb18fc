"""Make a pipe in place of the wheel, at which a reader waits for ever."""

import os

STAGE = "build"
REFUSED = "build-failed"
SAID = "which it did not make"


def wheel(folder):
    name = "demo-1.0-py3-none-any.whl"
    os.mkfifo(folder / name)
    return name
