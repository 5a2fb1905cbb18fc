"""Try what builders/seccomp.json forbids in a container, and print as JSON what was not refused.

Run as any user with a Python of the image, confined like builds. It needs nothing else. A kernel in user space (gVisor)
handles calls itself, so the host's kernel never gets them, and nothing is tried there. Each check that needs ctypes
imports it, so that the other checks work without it.
"""

import errno
import json
import os
import platform
import pwd
import socket

USERS = range(60706, 61184)
# Numbers on x86-64 and aarch64, with arguments that have no effect, or succeed for an unprivileged user.
CALLS = {
    "ptrace": (101, 117, 0, 0, 0, 0),
    "process_vm_readv": (310, 270, os.getpid(), 0, 0, 0, 0, 0),
    "kcmp": (312, 272, os.getpid(), os.getpid(), 1, 0, 0),
    "unshare (user namespace)": (272, 97, 0x10000000),
    "clone3": (435, 435, 0, 0),
    "add_key": (248, 217, b"user", b"probe", b"x", 1, -2),
    "keyctl": (250, 219, 0, -3, 1),
    "userfaultfd": (323, 282, 1),
    "bpf": (321, 280, 5, 0, 0),
    "perf_event_open": (298, 241, 0, 0, -1, -1, 0),
    "name_to_handle_at": (303, 264, -100, b"/", 0, 0, 0),
    "open_by_handle_at": (304, 265, -100, 0, 0),
    "fanotify_init": (300, 262, 0, 0),
    "fsopen": (430, 430, b"tmpfs", 0),
    "io_uring_setup": (425, 425, 1, 0),
    "io_setup": (206, 0, 1, bytes(8)),
    "memfd_secret": (447, 447, 0),
    "get_mempolicy": (239, 236, 0, 0, 0, 0, 0),
    "personality (no address randomisation)": (135, 92, 0x0040000),
}
# Families, types and protocols; Python does not have names for all of them on every platform.
SOCKETS = {
    "AF_ALG": (38, socket.SOCK_SEQPACKET, 0),
    "AF_VSOCK": (40, socket.SOCK_STREAM, 0),
    "AF_PACKET": (17, socket.SOCK_DGRAM, 0),
    "AF_KEY": (15, socket.SOCK_RAW, 2),
    "AF_CAN": (29, socket.SOCK_DGRAM, 2),
    "AF_TIPC": (30, socket.SOCK_DGRAM, 0),
    "AF_BLUETOOTH": (31, socket.SOCK_RAW, 1),
    "AF_XDP": (44, socket.SOCK_RAW, 0),
    "netlink of netfilter": (16, socket.SOCK_RAW, 12),
    "netlink of sock_diag": (16, socket.SOCK_RAW, 4),
    "ICMP": (2, socket.SOCK_DGRAM, 1),
    "MPTCP": (2, socket.SOCK_STREAM, 262),
    "SCTP": (10, socket.SOCK_SEQPACKET, 132),
    "a raw socket": (2, socket.SOCK_RAW, 255),
}
REFUSALS = (errno.EPERM, errno.ENOSYS)


def check_calls():
    """The kernel refuses every call that no build needs (builders/seccomp.json)."""
    if is_kernel_of_its_own():
        return []
    number = {"x86_64": 0, "aarch64": 1}.get(platform.machine())
    if number is None:
        return [f"no probe for {platform.machine()}"]
    found = {name: outcome(call[number], *call[2:]) for name, call in CALLS.items()}
    return [f"{name}: {what}" for name, what in found.items() if what is not None]


def outcome(number, *arguments):
    """Make a system call; return its result, None if the filter refused it."""
    import ctypes

    if ctypes.CDLL(None, use_errno=True).syscall(number, *arguments) != -1:
        return "it succeeded"
    code = ctypes.get_errno()
    return None if code in REFUSALS else errno.errorcode[code]


def check_sockets():
    """Sockets are for this container and its loopback: UNIX, TCP, UDP, and the list of interfaces."""
    return [] if is_kernel_of_its_own() else [name for name, what in SOCKETS.items() if opens(*what)]


def opens(family, kind, protocol):
    """Return whether such a socket opens, or is refused for another reason than the filter."""
    try:
        socket.socket(family, kind, protocol).close()
    except OSError as error:
        return error.errno not in REFUSALS
    return True


def check_usual_sockets():
    """Sockets that builds and tests use work: UNIX, TCP and UDP on the loopback, and the list of interfaces."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        client.sendall(b"hello")
        heard = server.accept()[0].recv(5)
    for one in socket.socketpair():
        one.close()
    socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).close()
    names = [name for _, name in socket.if_nameindex()]
    return [] if heard == b"hello" and "lo" in names else [f"{heard!r}, interfaces {names}"]


def check_filter():
    """A system call filter is active, and no program gains rights by running another."""
    if is_kernel_of_its_own():
        return []
    with open("/proc/self/status") as file:
        state = dict(line.rstrip("\n").split(":\t") for line in file if line.startswith(("Seccomp:", "NoNewPrivs:")))
    return [
        f"{key}: {state.get(key)}" for key, want in (("Seccomp", "2"), ("NoNewPrivs", "1")) if state.get(key) != want
    ]


def check_container_users():
    """Each user that a container may run as has an entry in passwd and group."""
    known = {one.pw_uid for one in pwd.getpwall()}
    with open("/etc/group") as file:
        groups = {int(line.split(":")[2]) for line in file}
    missing = [str(user) for user in USERS if user not in known or user not in groups]
    return [f"{len(missing)} are missing, {missing[0]} to {missing[-1]}"] if missing else []


def is_kernel_of_its_own():
    """Return whether the kernel is gVisor's, which says so in its readable log."""
    import ctypes

    log = ctypes.create_string_buffer(1 << 16)
    size = ctypes.CDLL(None).klogctl(3, log, len(log) - 1)
    return size > 0 and b"gVisor" in log.raw[:size]


def run(check):
    """Run one check; an exception counts as a problem."""
    try:
        return check()
    except Exception as error:  # noqa: BLE001  whatever is wrong is what we look for
        return [f"{type(error).__name__}: {error}"]


CHECKS = (check_calls, check_sockets, check_usual_sockets, check_filter, check_container_users)

if __name__ == "__main__":
    checks = [{"name": one.__name__[6:], "promise": one.__doc__, "problems": run(one)} for one in CHECKS]
    print(json.dumps({"checks": checks}))
