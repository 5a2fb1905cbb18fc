"""Kill, stop and trace the agent, forge its report, spoil its program and its tools."""

import glob
import json
import os
import signal

HARMLESS = "It may signal nobody, and the agent's channel is closed to it."

FORGED = json.dumps({"kind": "report", "wheel": "forged-1.0-py3-none-any.whl", "epoch": 1, "sources": []}).encode() + b"\n"


def attack():
    for number in (signal.SIGTERM, signal.SIGSTOP, signal.SIGKILL, signal.SIGSEGV, signal.SIGUSR1):
        os.kill(1, number)
    for path in ["/proc/1/fd/1", "/proc/1/mem", *glob.glob("/proc/[0-9]*/fd/*"), *glob.glob("/scratch/*.zip")]:
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
            os.write(descriptor, FORGED)
            os.close(descriptor)
        except OSError:
            pass
