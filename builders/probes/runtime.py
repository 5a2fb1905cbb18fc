"""Check the promises of a runtime image, from inside it; print JSON with an entry per check and the size of each part.

Run as the image's own user with its own Python; it needs nothing else. The checks hold for every suite and Python. Each
check imports its own modules, so that a missing module is a problem of that check alone.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

_TOOLS = ("gcc", "g++", "cc", "c++", "cpp", "ld", "as", "make", "pip", "pip3")
_PRUNED = ("/proc", "/sys", "/dev", "/scratch", "/tmp")
_MAY_WRITE = ("/home/wheelyard", "/tmp", "/var/tmp", "/scratch", "/run/lock", "/var/lock", "/dev", "/proc")


def walk():
    """Yield every folder of the image and its files."""
    for folder, folders, files in os.walk("/"):
        folders[:] = [name for name in folders if os.path.join(folder, name) not in _PRUNED]
        yield folder, files


def found(*endings):
    """Return the files whose names have one of these endings."""
    return [os.path.join(folder, name) for folder, files in walk() for name in files if name.endswith(endings)]


def check_tools():
    """No compiler, linker or pip can be called."""
    return [name for name in _TOOLS if shutil.which(name)]


def check_headers():
    """No headers, static libraries or object files."""
    return found(".h", ".hpp", ".a", ".o")


def check_user():
    """A dedicated user that is not root."""
    return [] if os.getuid() == os.getgid() == 1000 else [f"{os.getuid()}:{os.getgid()}"]


def check_writable():
    """The user can write nowhere but in scratch space and its home, the virtual environment included."""
    folders = (folder for folder, _ in walk() if not folder.startswith(_MAY_WRITE))
    return [folder for folder in folders if os.access(folder, os.W_OK)]


def check_environment():
    """Python is the one of a virtual environment that belongs to root."""
    problems = [] if sys.prefix == "/opt/venv" != sys.base_prefix else [f"sys.prefix is {sys.prefix}"]
    return problems + [str(path) for path in Path("/opt/venv").rglob("*") if path.lstat().st_uid != 0]


def check_pip():
    """Pip cannot be used."""
    ended = subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True, check=False)
    return [ended.stdout.decode()] if ended.returncode == 0 else []


def check_compression():
    """bz2, lzma and zlib restore what they compress."""
    import bz2
    import lzma
    import zlib

    return [one.__name__ for one in (bz2, lzma, zlib) if one.decompress(one.compress(b"wheel")) != b"wheel"]


def check_sqlite():
    """Sqlite answers a query."""
    import sqlite3

    return [] if sqlite3.connect(":memory:").execute("select 1").fetchone() == (1,) else ["no answer"]


def check_ctypes():
    """Ctypes calls into the C library, and is called back."""
    import ctypes

    call = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda number: number + 1)
    return [] if ctypes.CDLL(None).getpid() == os.getpid() and call(1) == 2 else ["wrong answer"]


def check_time_zones():
    """Time zones know summer time."""
    import datetime as dt
    import zoneinfo

    summer = dt.datetime(2026, 7, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"))
    return [] if summer.utcoffset() == dt.timedelta(hours=2) else [str(summer.utcoffset())]


def check_certificates():
    """The default context trusts the usual authorities."""
    import ssl

    # Debian 11's OpenSSL has no file of all certificates, only a folder in which it looks up each one.
    folder = Path(ssl.get_default_verify_paths().capath or "/nowhere")
    count = len(ssl.create_default_context().get_ca_certs()) or len(list(folder.glob("*.0")))
    return [] if count > 50 else [f"{count} certificates"]


def check_tls():
    """A TLS handshake succeeds on loopback, and fails if the certificate is not trusted."""
    import ssl

    with tempfile.TemporaryDirectory() as folder:
        key, certificate = os.path.join(folder, "key.pem"), os.path.join(folder, "cert.pem")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key,
             "-out", certificate],
            check=True, capture_output=True,
        )  # fmt: skip
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(certificate, key)
        trusting = ssl.create_default_context(cafile=certificate)
        problems = [] if shake_hands(server, trusting) else ["no handshake with a trusted certificate"]
        return problems + (
            ["a handshake with an unknown one"] if shake_hands(server, ssl.create_default_context()) else []
        )


def shake_hands(server, client):
    """Return whether a client and a server of these contexts agree."""
    import socket
    import ssl
    import threading

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve_once, args=(server, listener))
        thread.start()
        try:
            with (
                socket.create_connection(listener.getsockname()) as raw,
                client.wrap_socket(raw, server_hostname="localhost") as tls,
            ):
                return tls.recv(5) == b"hello"
        except ssl.SSLError:
            return False
        finally:
            thread.join()


def serve_once(context, listener):
    """Say hello to one client."""
    raw, _ = listener.accept()
    try:
        with context.wrap_socket(raw, server_side=True) as tls:
            tls.sendall(b"hello")
    except OSError:
        raw.close()


def sizes():
    """Return the size of each part, in bytes; a file with several names counts once."""
    parts, seen = {}, set()
    for folder, files in walk():
        for name in files:
            status = os.lstat(os.path.join(folder, name))
            if (status.st_dev, status.st_ino) not in seen:
                seen.add((status.st_dev, status.st_ino))
                part = part_of(folder)
                parts[part] = parts.get(part, 0) + status.st_blocks * 512
    return dict(sorted(parts.items(), key=lambda item: -item[1]))


def part_of(folder):
    """Return the part of the image that a folder belongs to."""
    parts = folder.strip("/").split("/")
    depth = 3 if parts[:2] in (["usr", "lib"], ["opt", "python"]) else 2
    return "/" + "/".join(parts[:depth])


def run(check):
    """Run one check; an exception counts as a problem."""
    try:
        return [str(problem) for problem in check()]
    except Exception as error:  # noqa: BLE001  whatever is wrong with the image is what we look for
        return [f"{type(error).__name__}: {error}"]


CHECKS = (
    check_tools, check_headers, check_user, check_writable, check_environment, check_pip,
    check_compression, check_sqlite, check_ctypes, check_time_zones, check_certificates, check_tls,
)  # fmt: skip

if __name__ == "__main__":
    checks = [{"name": one.__name__[6:], "promise": one.__doc__, "problems": run(one)} for one in CHECKS]
    version = ".".join(str(part) for part in sys.version_info[:3])
    print(json.dumps({"python": version, "checks": checks, "sizes": sizes()}))
