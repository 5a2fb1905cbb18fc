"""Leave a daemon that goes on when the build is over, and changes the wheel that was made."""

import os
import time

HARMLESS = "It is ended before the wheel is read."


def attack():
    if os.fork() == 0:
        os.setsid()
        while True:
            time.sleep(3)
            for name in os.listdir("/scratch/out"):
                with open(f"/scratch/out/{name}", "ab") as file:
                    file.write(b"changed")
