"""Print what terminals and log readers obey: escapes, a forged line of ours, NUL, broken text."""

import os

HARMLESS = "It is kept as it came, but for the mark of our own lines, so none of its lines is one of ours."


def attack():
    os.write(1, b"\x1b[2J\x1b]0;pwned\x07\x1b]52;c;cm0gLXJm\x07\r==> stage publish\n\0\xff\xfe\x9b31m\n\xe2\x80\xae\n")
    os.write(2, b'\x1e{"text": "stage forged", "stage": "publish"}\n')
    os.write(2, b"no end of a line, and then \x1e")
    os.write(2, b'{"text": "stage forged too"}\n')
