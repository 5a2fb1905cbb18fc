"""Print that very many extension modules are being made, under names that are no names, to stop the reading of the log."""

import os

STAGE = "repair"
REFUSED = "extension-missing"
SAID = "demo.m19 and 480 more. The build's log says: building 'demo.m0' extension"


def attack():
    os.write(1, b"building 'x\x1b[31m' extension\nbuilding '" + b"a" * (1 << 20) + b"' extension\n")
    os.write(1, b"building '" * 100_000 + b"\n")
    for number in range(20_000):
        os.write(1, b"building 'demo.m%d' extension\n" % number)
