"""The files of the embedded devpi: its virtual environment, secrets and port."""

import asyncio
import hashlib
import json
import os
import platform
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uv

from wheelyard.adapters.host.files import write_atomic
from wheelyard.adapters.host.process import inherited_environment
from wheelyard.adapters.host.state_dir import StateDir
from wheelyard.adapters.servers.postgres_files import open_to_readers, remove_former, succeeds_as
from wheelyard.adapters.servers.processes import Account, ChildCommand, last_line, run_child
from wheelyard.errors import ServiceStartError

PUBLISHER: Final = "publisher"
PROMOTER: Final = "promoter"
USERS: Final = ("root", "wheels", PUBLISHER, PROMOTER)
LOOPBACK: Final = "127.0.0.1"
_INSTALL_SECONDS: Final = 600.0
_SECRET_BYTES: Final = 48
_NOT_NEEDED: Final = (
    "site-packages",
    "test",
    "tests",
    "idlelib",
    "tkinter",
    "turtledemo",
    "ensurepip",
    "config-*",
    "*.a",
)


def environment_directory(state: StateDir, lock: bytes, *, is_copied: bool = False) -> Path:
    """Return the virtual environment's folder, named after its inputs: a new lock or Python gets a new one."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}{'-copied' if is_copied else ''}"
    return state.devpi_environment(f"{hashlib.sha256(lock).hexdigest()[:12]}-py{python}")


@dataclass(frozen=True, kw_only=True, slots=True)
class BasePython:
    """The Python that devpi's virtual environment is made with."""

    executable: Path
    copied_to: Path | None = None
    """The copy's own folder, if it is one."""

    def environment(self) -> dict[str, str]:
        """Return the variables that it needs to start: its path to libpython may lead to where it was copied from."""
        return {"LD_LIBRARY_PATH": str(self.copied_to / "lib")} if self.copied_to else {}


def find_base_python(state: StateDir, account: Account | None) -> BasePython:
    """Return a Python that the account can run: ours, or a copy if it is out of reach, as below root's home directory.

    A Python finds its standard library beside itself (https://docs.python.org/3/library/sys_path_init.html), so a copy
    of both works. Where a copy would be out of reach, too, ours is returned.
    """
    ours = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    if account is None or runs_as(account, ours) or not succeeds_as(account, "test", "-x", str(state.root)):
        return BasePython(executable=ours)
    place = hashlib.sha256(os.fsencode(ours)).hexdigest()[:8]
    target = state.devpi_python(f"{platform.python_version()}-{place}")
    return BasePython(executable=_copy_python(ours, target), copied_to=target)


def _copy_python(python: Path, target: Path) -> Path:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    if not target.exists():
        # Renamed when it is complete: an interrupted copy is never used.
        partial = Path(tempfile.mkdtemp(prefix=f"{target.name}.", dir=target.parent))
        base = Path(sys.base_prefix)
        ignore = shutil.ignore_patterns(*_NOT_NEEDED)
        for folder in {"lib", sys.platlibdir}:
            if (base / folder / version).is_dir():
                shutil.copytree(base / folder / version, partial / folder / version, symlinks=True, ignore=ignore)
            for library in (base / folder).glob("libpython*.so*"):
                shutil.copy2(library, partial / folder / library.name, follow_symlinks=False)
        (partial / "bin").mkdir()
        shutil.copy2(python, partial / "bin" / version)
        open_to_readers(partial)
        partial.rename(target)
        remove_former(target, "devpi-python-*")
    return target / "bin" / version


def runs_as(account: Account, python: Path, environment: Mapping[str, str] | None = None) -> bool:
    """Return whether the account can run a Python with its C libraries."""
    variables = [f"{name}={value}" for name, value in (environment or {}).items()]
    return succeeds_as(account, "/usr/bin/env", *variables, str(python), "-I", "-c", "import hashlib, sqlite3, ssl")


async def ensure_environment(
    state: StateDir, *, lock_file: Path, log: Path, base: BasePython, account: Account | None = None
) -> Path:
    """Create devpi's virtual environment if there is none that works, and return its Python.

    It is separate because devpi needs an old setuptools. Only wheels whose hashes are locked are installed.
    """
    lock = await asyncio.to_thread(lock_file.read_bytes)
    directory = environment_directory(state, lock, is_copied=base.copied_to is not None)
    python, complete = directory / "bin" / "python", directory / "complete"
    if not await asyncio.to_thread(_is_usable, directory, (python, complete)):
        await _make_environment(directory, base=base.executable, python=python, lock_file=lock_file, log=log)
        if account is not None:
            # What root installs has the modes of root's umask and of uv's cache.
            await asyncio.to_thread(open_to_readers, directory)
        await asyncio.to_thread(complete.touch)
        await asyncio.to_thread(remove_former, directory, "devpi-env-*")
    return python


def _is_usable(directory: Path, signs: Sequence[Path]) -> bool:
    """Return whether all signs exist. If not, remove the folder: it is unfinished, or its base Python is gone."""
    if all(sign.exists() for sign in signs):
        return True
    if directory.exists():
        shutil.rmtree(directory)
    return False


async def _make_environment(directory: Path, *, base: Path, python: Path, lock_file: Path, log: Path) -> None:
    await _run_uv("venv", "--no-project", "--no-python-downloads", "--python", str(base), str(directory), log=log)
    hashed = ["--require-hashes", "--no-build", "-r", str(lock_file)]
    await _run_uv("pip", "install", "--python", str(python), *hashed, log=log)


async def _run_uv(*arguments: str, log: Path) -> None:
    command = ChildCommand(
        argv=(uv.find_uv_bin(), "--no-progress", *arguments),
        environment=inherited_environment("VIRTUAL_ENV"),
        directory=log.parent,
    )
    try:
        status = await run_child(command, log=log, timeout_seconds=_INSTALL_SECONDS)
    except TimeoutError:
        reason = f"its virtual environment was not made in {_INSTALL_SECONDS:.0f} seconds"
        raise ServiceStartError(service="devpi", reason=reason, log=log) from None
    if status != 0:
        reason = f"its virtual environment could not be made: {last_line(log).rstrip('.')}"
        raise ServiceStartError(service="devpi", reason=reason, log=log)


def ensure_secret(path: Path) -> None:
    """Create the secret that devpi signs its sessions with, if it is missing."""
    if not path.exists():
        write_atomic(path, secrets.token_urlsafe(_SECRET_BYTES))


def ensure_passwords(path: Path, given: Mapping[str, str] | None = None) -> Mapping[str, str]:
    """Return the users' passwords, created if they are missing: the file is written before devpi gets them."""
    if not path.exists():
        save_passwords(path, {user: secrets.token_urlsafe(_SECRET_BYTES) for user in USERS} | dict(given or {}))
    passwords: dict[str, str] = json.loads(path.read_text())
    return passwords


def save_passwords(path: Path, passwords: Mapping[str, str]) -> None:
    """Write the users' passwords."""
    write_atomic(path, json.dumps(dict(passwords), indent=1))


def remembered_port(path: Path) -> int:
    """Return the port of the last start if it is still free, else 0 (any), so that addresses stay the same."""
    try:
        port = int(path.read_text())
        with socket.socket() as probe:
            # As the server does, so that lingering connections of the last server do not count.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((LOOPBACK, port))
    except (OSError, ValueError, OverflowError):
        return 0
    return port
