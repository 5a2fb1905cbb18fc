"""Compute without end on every processor."""

import os

STAGE = "build"
REFUSED = "time-limit"
SAID = "8 seconds"
SECONDS = 8
FIGURE = r"limit of 8 seconds, at [0-9]+\.[0-9] seconds"


def attack():
    for _ in range(8):
        if os.fork() == 0:
            break
    while True:
        pass
