"""Find out whether this host's kernel runs programs of another architecture, by qemu-user and binfmt_misc."""

import re
import struct
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from wheelyard.errors import EmulatorMissingError

_REGISTERED: Final = Path("/proc/sys/fs/binfmt_misc")
_SECONDS: Final = 10
_FLAGS: Final = re.compile(r"^flags: (\w*)$", re.MULTILINE)
_ADDRESS: Final = 0x400000
_HEADER_BYTES: Final = 64 + 56


def _aarch64_program() -> bytes:
    """Return a program that only ends, with code 0: an ELF header, one segment, and exit(0)."""
    code = struct.pack("<3I", 0xD2800000, 0xD2800BA8, 0xD4000001)  # mov x0, #0; mov x8, #93; svc #0
    size = _HEADER_BYTES + len(code)
    ident = b"\x7fELF" + bytes((2, 1, 1)) + bytes(9)
    header = struct.pack("<16sHHIQQQIHHHHHH", ident, 2, 183, 1, _ADDRESS + _HEADER_BYTES, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    return header + struct.pack("<IIQQQQQQ", 1, 5, 0, _ADDRESS, _ADDRESS, size, size, 0x1000) + code


_PROGRAMS: Final = {"aarch64": _aarch64_program}


def check_emulator(architecture: str, *, registered: Path = _REGISTERED) -> None:
    """Run a program of an architecture, which a container of this host's engine could run then, too.

    Args:
        architecture: An architecture that can be emulated.
        registered: Where the kernel lists its interpreters.

    Raises:
        EmulatorMissingError: The kernel does not run it, or would not in a container.
    """
    with tempfile.TemporaryDirectory(prefix="wheelyard-emulator-") as folder:
        program = Path(folder, "exit")
        program.write_bytes(_PROGRAMS[architecture]())
        program.chmod(0o700)
        try:
            done = subprocess.run(
                [program], stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=_SECONDS
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            reason = getattr(error, "strerror", None) or f"it did not end within {_SECONDS} s"
            raise EmulatorMissingError(architecture=architecture, reason=reason) from error
    if done.returncode:
        raise EmulatorMissingError(architecture=architecture, reason=f"it ended with code {done.returncode}")
    _check_flags(architecture, registered / f"qemu-{architecture}")


def _check_flags(architecture: str, entry: Path) -> None:
    """Check that the kernel opens the interpreter itself (flag F), because a container does not have its file.

    Where the list is not mounted, as in a container, nothing is known of it.
    See https://docs.kernel.org/admin-guide/binfmt-misc.html
    """
    try:
        flags = _FLAGS.search(entry.read_text(encoding="utf-8"))
    except OSError:
        return
    if flags is not None and "F" not in flags[1]:
        reason = "the interpreter is registered without the flag F, so a container does not have it"
        raise EmulatorMissingError(architecture=architecture, reason=reason)
