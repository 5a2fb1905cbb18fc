"""Start processes without end, until the host has none left."""

import os
import time

STAGE = "build"
REFUSED = "process-limit"
SAID = "64 processes and threads"
# Older kernels keep no peaks.
FIGURE = r"limit of 64 processes and threads(; its peak was [0-9]+)?\."


def attack():
    while True:
        if os.fork() == 0:
            time.sleep(3600)
