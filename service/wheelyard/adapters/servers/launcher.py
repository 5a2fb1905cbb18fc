"""A program of its own: become another account if told so, ask to die with the parent, then become the real program.

Must use nothing but the standard library, and is run by path, never imported. It takes the place of subprocess's
``preexec_fn``, which may deadlock in a process with threads (as the Python documentation of subprocess says).

Usage: launcher.py PARENT_PID DEATH_SIGNAL UID GID PROGRAM [ARGUMENT ...]; a UID of -1 keeps the account.
"""

import ctypes
import os
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def become_account(uid: int, gid: int) -> None:
    """Give up root for good."""
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
    """Carry out what the module's docstring says."""
    parent_pid, death_signal, uid, gid = (int(argument) for argument in arguments[:4])
    # A shell's background job ignores SIGINT, and that would be inherited through exec.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    if uid != -1:
        become_account(uid, gid)
    # After the change of account, because the kernel forgets the request when credentials change.
    die_with(parent_pid, death_signal)
    program = arguments[4:]
    os.execv(program[0], program)  # noqa: S606 (no shell is wanted)


if __name__ == "__main__":
    main(sys.argv[1:])
