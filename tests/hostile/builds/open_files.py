"""Open files until the host can open no more."""

STAGE = "build"
REFUSED = "open-files-limit"
SAID = "512 open files"


def attack():
    held = []
    while True:
        held.append(open("/dev/null"))
