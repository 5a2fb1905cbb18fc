"""Try every way out of the sandbox; print for each whether it was refused. One function each, its docstring says what.

All run in one container: a probe must not end the others.
"""

import ctypes
import errno
import json
import os
import socket
import struct
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWNET = 0x10000000, 0x00020000, 0x40000000
SOCKETS = ("/var/run/docker.sock", "/run/docker.sock", "/run/podman/podman.sock", "/run/containerd/containerd.sock")


def call(name, *arguments):
    """Call the C library; a failure is an OSError, as Python's own calls have it."""
    if getattr(LIBC, name)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), name)


def write_to_root():
    """Leave a file in the image's root."""
    Path("/hostile-was-here").touch()


def write_to_tools():
    """Spoil the tools that later jobs use."""
    next(Path("/opt/wheelyard").rglob("*.py")).open("a")


def write_to_python():
    """Spoil the Python that wheels are built for."""
    next(Path("/opt/python").rglob("os.py")).open("a")


def write_to_etc():
    """Become somebody else by another passwd."""
    Path("/etc/passwd").open("a")


def become_root():
    """Become root."""
    os.setuid(0)


def change_owner():
    """Give a file away, which only root may."""
    Path("/tmp/mine").touch()
    os.chown("/tmp/mine", 0, 0)


def run_setuid():
    """Gain root by a setuid program: no-new-privileges must stand against it."""
    if "NoNewPrivs:\t1" not in Path("/proc/self/status").read_text():
        return
    raise PermissionError("no new privileges")


def mount():
    """Mount a file system."""
    call("mount", b"none", b"/tmp", b"tmpfs", 0, None)


def new_user_namespace():
    """Become root in a user namespace of its own, where more of the kernel can be reached."""
    call("unshare", CLONE_NEWUSER)


def new_mount_namespace():
    """Have mounts of its own."""
    call("unshare", CLONE_NEWNS)


def change_root():
    """Change the root folder."""
    os.chroot("/tmp")


def make_device():
    """Make a device node, the memory's."""
    os.mknod("/tmp/mem", 0o20666, os.makedev(1, 1))


def raw_socket():
    """Open a raw socket, for forged packets."""
    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)


def packet_socket():
    """Open a packet socket, to listen to everything."""
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW)


def change_network():
    """Bring an interface up."""
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh", b"lo", 0))


def engine_socket():
    """Speak to the container engine."""
    for path in SOCKETS:
        if Path(path).exists():
            return
    raise FileNotFoundError("no engine")


def abstract_sockets():
    """Speak to a service of the host by an abstract socket, which a network namespace must hide."""
    lines = Path("/proc/net/unix").read_text().splitlines()[1:]
    if not any("@" in line for line in lines):
        raise FileNotFoundError("no sockets")


def resolve_names():
    """Have a name resolved."""
    socket.getaddrinfo("files.example.invalid", 443)


def connect_outside():
    """Connect to somewhere."""
    socket.create_connection(("192.0.2.1", 443), timeout=5)


def cloud_metadata():
    """Get the credentials of the machine from its cloud."""
    socket.create_connection(("169.254.169.254", 80), timeout=5)


def host_gateway():
    """Connect to the host by the engine's usual address."""
    socket.create_connection(("172.17.0.1", 22), timeout=5)


def send_datagram():
    """Send without connecting."""
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"out", ("192.0.2.1", 53))


def connect_by_ipv6():
    """Connect by the other protocol."""
    socket.create_connection(("2001:db8::1", 443), timeout=5)


def trace_agent():
    """Trace the agent, to act in its place."""
    call("ptrace", 16, 1, 0, 0)


def read_agents_memory():
    """Read the agent's memory."""
    Path("/proc/1/mem").open("rb")


def read_agents_environment():
    """Read the agent's environment."""
    Path("/proc/1/environ").read_bytes()


def list_agents_files():
    """Find the agent's channel."""
    os.listdir("/proc/1/fd")


def see_other_processes():
    """See processes that are not of this container."""
    names = [Path(f"/proc/{pid}/comm").read_text() for pid in os.listdir("/proc") if pid.isdigit()]
    if len(names) <= 4:
        raise ProcessLookupError("nobody else")


def load_module():
    """Load a module into the kernel."""
    call("syscall", 175, b"x", 1, b"")


def load_bpf():
    """Load a program into the kernel."""
    call("syscall", 321, 5, b"", 0)


def read_kernel_log():
    """Read the kernel's log, with its addresses."""
    call("klogctl", 3, ctypes.create_string_buffer(100), 100)


def read_keyring():
    """Read keys of the session that started the engine."""
    call("syscall", 250, 0, -3, 1)


def set_clock():
    """Set the host's clock."""
    call("clock_settime", 0, ctypes.byref((ctypes.c_long * 2)(0, 0)))


def set_hostname():
    """Rename the machine."""
    call("sethostname", b"evil", 4)


def reboot():
    """Restart the machine."""
    call("reboot", 0x01234567)


def raise_limits():
    """Raise its own limit of open files."""
    import resource

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard + 1, hard + 1))


def leave_cgroup():
    """Leave the group whose limits hold."""
    for path in ("/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/pids/cgroup.procs", "/sys/fs/cgroup/memory/tasks"):
        with Path(path).open("w") as file:
            file.write("1")


def write_to_proc():
    """Have the kernel run a program of its choice on the host."""
    Path("/proc/sys/kernel/core_pattern").write_text("|/tmp/evil")


def write_to_sys():
    """Have the kernel run a program for device events."""
    Path("/sys/kernel/uevent_helper").write_text("/tmp/evil")


def trigger_sysrq():
    """Crash the machine."""
    Path("/proc/sysrq-trigger").write_text("c")


def read_kernel_memory():
    """Read the kernel's memory."""
    Path("/proc/kcore").open("rb").read(1)


def open_disk():
    """Read the host's disk."""
    for name in ("/dev/sda", "/dev/vda", "/dev/mem", "/dev/kmsg", "/dev/fuse", "/dev/kvm"):
        if Path(name).exists():
            return
    raise FileNotFoundError("no devices")


def open_socket(family, kind, protocol=0):
    """Open a socket; what the kernel has no module for is no refusal."""
    try:
        socket.socket(family, kind, protocol).close()
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOSYS):
            return
        raise


def vsock_socket():
    """Speak to the host of a virtual machine, past every network namespace."""
    open_socket(40, socket.SOCK_STREAM)


def crypto_socket():
    """Have the kernel encrypt, which was a way to root."""
    open_socket(38, socket.SOCK_SEQPACKET)


def bluetooth_socket():
    """Reach a device by air."""
    open_socket(31, socket.SOCK_RAW, 1)


def firewall_socket():
    """Reach the kernel's packet filter by netlink."""
    open_socket(16, socket.SOCK_RAW, 12)


def ping_socket():
    """Send pings."""
    open_socket(2, socket.SOCK_DGRAM, 1)


def mptcp_socket():
    """Use a protocol that no build has any use for."""
    open_socket(2, socket.SOCK_STREAM, 262)


def old_socket():
    """Open AF_VSOCK as a 32-bit program does, by a call that no filter can look into."""
    child = os.fork()
    if child == 0:
        # mov eax, 102 (socketcall); mov ebx, 1 (socket); mov ecx, arguments; int 0x80; ret
        import mmap

        page = mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40, prot=7)  # below 4 GiB
        place = ctypes.addressof(ctypes.c_char.from_buffer(page))
        page[256:268] = struct.pack("3I", 40, 1, 0)
        code = b"\x53\xb8\x66\0\0\0\xbb\x01\0\0\0\xb9" + struct.pack("I", place + 256) + b"\xcd\x80\x5b\xc3"
        page[: len(code)] = code
        os._exit(0 if ctypes.CFUNCTYPE(ctypes.c_int)(place)() >= 0 else 1)
    status = os.waitpid(child, 0)[1]
    if status:
        raise PermissionError(status)


def io_uring():
    """Make calls past the filter."""
    call("syscall", 425, 1, ctypes.create_string_buffer(120))


def asynchronous_io():
    """Use up what the whole host has of it."""
    call("syscall", 206, 1, ctypes.create_string_buffer(8))


def trace_child():
    """Trace a process of its own."""
    call("ptrace", 0, 0, 0, 0)


def read_other_memory():
    """Read memory of a process of its own."""
    call("syscall", 310, os.getpid(), 0, 0, 0, 0, 0)


def handle_page_faults():
    """Hold the kernel up in the middle of a copy."""
    call("syscall", 323, 1)


def add_key():
    """Keep a key where others of the same user find it."""
    call("syscall", 248, b"user", b"hostile", b"x", 1, -4)


def no_randomised_addresses():
    """Have memory at known places."""
    call("personality", 0x0040000)


def share_a_user():
    """Be a user whom other containers or the host have."""
    if os.getuid() in (0, 1000, 65534):
        return
    raise PermissionError("a user of its own")


def read_workers_secrets():
    """Find a secret in the environment."""
    if not [name for name in os.environ if name.startswith(("WHEELYARD", "DOCKER", "AWS", "SSL"))]:
        raise KeyError("no secrets")


PROBES = [one for one in list(globals().values()) if getattr(one, "__doc__", None) and callable(one) and one not in (call, open_socket)]


def attempt(probe):
    try:
        probe()
    except Exception as error:
        return type(error).__name__
    return None


def attack():
    found = {probe.__name__: attempt(probe) for probe in PROBES if getattr(probe, "__module__", "") == __name__}
    print("probes:", json.dumps(found), flush=True)
