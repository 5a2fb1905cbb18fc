"""Make a link in place of the wheel, for the worker to read a file of its own host through it."""

import os

STAGE = "build"
REFUSED = "build-failed"
SAID = "no regular file"


def wheel(folder):
    name = "demo-1.0-py3-none-any.whl"
    os.symlink("/etc/passwd", folder / name)
    return name
