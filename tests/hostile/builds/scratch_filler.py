"""Write until the host's disk is full."""

STAGE = "build"
REFUSED = "disk-limit"
SAID = "64 MiB"
FIGURE = r"limit is 64 MiB; 6[34]\.[0-9] MiB were in use at the end"


def attack():
    with open("/tmp/filler", "wb") as file:
        while True:
            file.write(bytes(1 << 20))
