"""Fill the database with a log that never ends."""

STAGE = "build"
REFUSED = "time-limit"
SAID = "8 seconds"
SECONDS = 8


def attack():
    while True:
        print("x" * 65536)
