"""Leave daemons behind in sessions of their own, which ignore every signal, then hang."""

import os
import signal
import time

STAGE = "build"
REFUSED = "time-limit"
SAID = "8 seconds"
SECONDS = 8


def attack():
    for _ in range(4):
        if os.fork() == 0:
            os.setsid()
            for number in range(1, 32):
                try:
                    signal.signal(number, signal.SIG_IGN)
                except OSError:
                    pass
            time.sleep(3600)
    time.sleep(3600)
