"""A program of its own: become another account if asked, request to die with the parent, then become the real program.

Uses nothing but the standard library. Run by path, never imported. It replaces subprocess's ``preexec_fn``, which may
deadlock in a process with threads: https://docs.python.org/3/library/subprocess.html#popen-constructor

Usage: launcher.py PARENT_PID DEATH_SIGNAL UID GID PROGRAM [ARGUMENT ...]; a UID of -1 keeps the account.
"""

import ctypes
import os
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def become_account(uid: int, gid: int) -> None:
    """Give up root permanently."""
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def die_with(parent_pid: int, death_signal: int) -> None:
    """Have the kernel send a signal to this process when its parent ends (PR_SET_PDEATHSIG in prctl(2))."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
        sys.exit(f"prctl failed: {os.strerror(ctypes.get_errno())}")
    # A parent that ended before the call above will never trigger the signal.
    if os.getppid() != parent_pid:
        sys.exit("the parent process is gone")


def main(arguments: list[str]) -> None:
    """Do what the module's docstring describes."""
    parent_pid, death_signal, uid, gid = (int(argument) for argument in arguments[:4])
    # A shell's background job ignores SIGINT, and exec would pass that on.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    if uid != -1:
        become_account(uid, gid)
    # After the change of account, because the kernel clears the request when credentials change:
    # https://manpages.ubuntu.com/manpages/plucky/en/man2/PR_SET_PDEATHSIG.2const.html
    die_with(parent_pid, death_signal)
    program = arguments[4:]
    os.execv(program[0], program)  # noqa: S606 (no shell is wanted)


if __name__ == "__main__":
    main(sys.argv[1:])
