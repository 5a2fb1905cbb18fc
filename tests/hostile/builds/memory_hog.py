"""Take memory until another's process is killed for it."""

STAGE = "build"
REFUSED = "memory-limit"
SAID = "256 MiB"
# Older kernels keep no peaks, and an agent that was killed, too, tells nothing.
FIGURE = r"limit of 256 MiB(; its peak was 25[0-9]\.[0-9] MiB)?\."


def attack():
    hoard = []
    while True:
        hoard.append(b"x" * (16 << 20))
