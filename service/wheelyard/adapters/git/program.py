"""Run git on repositories of strangers: no hooks, filters, helpers, further transports, or settings of the host."""

import asyncio
import contextlib
import os
import resource
import signal
from asyncio.subprocess import Process
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from wheelyard.adapters.host.process import read_out
from wheelyard.errors import ProgramMissingError

SAFE_OPTIONS: Final = (
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "core.symlinks=false"),
    *("-c", "core.fsmonitor=false"),
    *("-c", "submodule.recurse=false"),
    *("-c", "transfer.fsckObjects=true"),
    *("-c", "gc.auto=0"),
)
"""For every repository that others may write to, also those of recipes."""
_STRICT_OPTIONS: Final = (
    *SAFE_OPTIONS,
    *("-c", "core.attributesFile=/dev/null"),
    *("-c", "core.askPass="),
    *("-c", "core.sshCommand=false"),
    *("-c", "core.gitProxy="),
    *("-c", "core.alternateRefsCommand="),
    *("-c", "credential.helper="),
    *("-c", "credential.interactive=never"),
    *("-c", "maintenance.auto=false"),
    *("-c", "fetch.recurseSubmodules=false"),
    *("-c", "fetch.unpackLimit=1"),  # one pack, whatever its size: its file's size is limited by the kernel
    *("-c", "transfer.bundleURI=false"),
    *("-c", "http.followRedirects=false"),
    *("-c", "http.emptyAuth=false"),
    *("-c", "http.lowSpeedLimit=1000"),
    *("-c", "http.lowSpeedTime=20"),
    *("-c", "protocol.version=2"),
    *("-c", "pack.threads=1"),
    *("-c", "core.bigFileThreshold=16m"),  # larger blobs are checked in pieces, not in memory
)
_INHERITED: Final = frozenset({"http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_file", "ssl_cert_dir"})
_CHUNK_BYTES: Final = 1 << 16
_ERROR_BYTES: Final = 1 << 14
_LOOK_SECONDS: Final = 0.2
_REASON_LENGTH: Final = 500


class GitError(Exception):
    """git answered with an error; the text is its reason."""


class GitTooLargeError(Exception):
    """git received or wrote more than it may; the text says what."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GitLimits:
    """The limits of one run of git."""

    seconds: float = 120.0
    disk_bytes: int = 1 << 30
    """Size of the folder that it writes to."""
    memory_bytes: int = 2 << 30
    output_bytes: int = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class GitProgram:
    """git for one transport, in an environment of its own."""

    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    """The host's environment, of which git gets the proxies and certificates."""
    ca_bundle: Path | None = None

    async def run(self, *arguments: str, folder: Path, scheme: str, limits: GitLimits) -> bytes:
        """Run git in a folder and return its output.

        Raises:
            GitError: It ended with an error, or took too long.
            GitTooLargeError: It wrote more than it may.
            ProgramMissingError: There is no git.
        """
        process = await self._start(arguments, folder, scheme)
        try:
            _limit(process.pid, limits)
            async with asyncio.timeout(limits.seconds):
                return await _result_of(process, folder, limits)
        except TimeoutError as error:
            raise GitError(f"it took more than {limits.seconds:.0f} seconds") from error
        finally:
            await asyncio.shield(_end(process))

    async def _start(self, arguments: tuple[str, ...], folder: Path, scheme: str) -> Process:
        pipe = asyncio.subprocess.PIPE
        certificates = ("-c", f"http.sslCAInfo={self.ca_bundle}") if self.ca_bundle else ()
        try:
            return await asyncio.create_subprocess_exec(
                *("git", *_STRICT_OPTIONS, *certificates, *arguments),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=pipe,
                stderr=pipe,
                cwd=folder,
                env=self._variables(folder, scheme),
                start_new_session=True,  # its helpers end with it
            )
        except OSError as error:
            raise ProgramMissingError(program="git", reason=error.strerror or str(error)) from error

    def _variables(self, folder: Path, scheme: str) -> dict[str, str]:
        kept = {name: value for name, value in self.environment.items() if name.lower() in _INHERITED}
        return {
            **kept,
            "PATH": self.environment.get("PATH", os.defpath),
            # No .netrc, no .gitconfig, no keys: what the service's user may read is not the caller's.
            "HOME": str(folder),
            "XDG_CONFIG_HOME": str(folder),
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_SYSTEM": "/dev/null",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_CEILING_DIRECTORIES": str(folder.parent),
            "GIT_ALLOW_PROTOCOL": scheme,
            "GIT_PROTOCOL_FROM_USER": "0",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "false",
            "SSH_ASKPASS": "false",
            "GIT_SSH_COMMAND": "false",
            "GIT_LFS_SKIP_SMUDGE": "1",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_OPTIONAL_LOCKS": "0",
        }


def _limit(pid: int, limits: GitLimits) -> None:
    """Have the kernel limit git and the helpers that it starts from now on."""
    with contextlib.suppress(ProcessLookupError):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (limits.disk_bytes, limits.disk_bytes))
        resource.prlimit(pid, resource.RLIMIT_DATA, (limits.memory_bytes, limits.memory_bytes))
        resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))


async def _result_of(process: Process, folder: Path, limits: GitLimits) -> bytes:
    watch = asyncio.create_task(_watch_disk(folder, limits.disk_bytes))
    work = asyncio.create_task(_read(process, limits.output_bytes))
    try:
        await asyncio.wait({watch, work}, return_when=asyncio.FIRST_COMPLETED)
        if watch.done():
            watch.result()
        output, errors = await work
    finally:
        for task in (watch, work):
            task.cancel()
        await asyncio.gather(watch, work, return_exceptions=True)
    if process.returncode == 0:
        return output
    if _size_of(folder) >= limits.disk_bytes or "File size limit exceeded" in errors:
        raise GitTooLargeError(f"it has more than {limits.disk_bytes >> 20} MiB")
    raise GitError(_explain(errors) or f"git ended with {process.returncode}")


async def _read(process: Process, output_bytes: int) -> tuple[bytes, str]:
    # Not in two tasks of gather alone: after the first error, the other one would still read.
    said = asyncio.create_task(_collect(process.stderr, _ERROR_BYTES, is_strict=False))
    try:
        output = await _collect(process.stdout, output_bytes, is_strict=True)
        errors = await said
    finally:
        said.cancel()
        await asyncio.gather(said, return_exceptions=True)
    await process.wait()
    return output, errors.decode(errors="replace")


async def _collect(stream: asyncio.StreamReader | None, limit: int, *, is_strict: bool) -> bytes:
    kept = bytearray()
    while stream is not None and (chunk := await stream.read(_CHUNK_BYTES)):
        if len(kept) + len(chunk) <= limit:
            kept += chunk
        elif is_strict:
            raise GitTooLargeError(f"git listed more than {limit} bytes of it")
    return bytes(kept)


async def _watch_disk(folder: Path, limit: int) -> None:
    """Raise GitTooLargeError once the folder is larger than it may be; never return."""
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        if await asyncio.to_thread(_size_of, folder) > limit:
            raise GitTooLargeError(f"it has more than {limit >> 20} MiB")


def _size_of(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):  # git renames its temporary files meanwhile
                total += os.lstat(Path(place, name)).st_size
    return total


def _explain(errors: str) -> str:
    """Return what git says on one line, without its own line beginnings and advice."""
    lines = [line.strip() for line in errors.splitlines() if not line.startswith(("hint:", "warning:"))]
    text = "; ".join(line.removeprefix("fatal: ").removeprefix("error: ") for line in lines if line)
    return text[:_REASON_LENGTH].rstrip(".")


async def _end(process: Process) -> None:
    """Kill git and what it started, if it still runs."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await read_out(process)
