"""Run uv's resolver as a process and read the lock file that it writes.

uv has no library, so it is run by its command line. Its answer is a standard lock file (PEP 751).
"""

import asyncio
import contextlib
import math
import resource
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pypi_simple import PYPI_SIMPLE_ENDPOINT
from uv import find_uv_bin

from wheelyard.adapters.host.process import read_out
from wheelyard.adapters.host.shared_work import FairSlots, SlotsBusyError
from wheelyard.adapters.upstream.http import hide_password
from wheelyard.domain.packaging.target import Target, python_version, uv_platform
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.domain.untrusted.toml_text import read_toml
from wheelyard.errors import BuildRequirementsError, IndexUnavailableError, ResolverBusyError

_INHERITED: Final = frozenset(
    {"HOME", "PATH", "SSL_CERT_DIR", "SSL_CERT_FILE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"}
)
_INDEX_OPTION: Final = "--index-strategy"
_UNREACHABLE: Final = 2
_UNPARSED: Final = "Couldn't parse requirement"
"""The sign of requirements that uv cannot parse. Its exit status is the same as for other errors."""
_REASON_LENGTH: Final = 1500
_MIB: Final = 1 << 20
SERVICE: Final = "service"
"""The caller when a worker's build resolves. Its slots bound that already, so it waits its turn without a limit."""


@dataclass(frozen=True, kw_only=True, slots=True)
class UvResolverOptions:
    """How uv is run."""

    cache_dir: Path
    """uv's own cache of pages and metadata; processes may share it."""
    environment: Mapping[str, str]
    """Our own environment, of which uv gets only proxies, certificates, HOME (for netrc) and PATH."""
    index_url: str = PYPI_SIMPLE_ENDPOINT
    ca_bundle: Path | None = None
    """PEM file to trust instead of the system's certificates."""
    answer_seconds: float = 300.0
    """How long an equal question gets the earlier answer, in seconds."""
    timeout_seconds: float = 120.0
    """How long one resolution may take, in seconds."""
    slots: FairSlots = field(default_factory=lambda: FairSlots(4))
    """How many runs there may be at once; everything in a process that runs uv shares them."""
    wait_seconds: float = 60.0
    """How long a caller waits for others' resolutions, in seconds."""
    memory_bytes: int = 2048 * _MIB
    """How much memory one run may write to, in bytes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What uv is to resolve."""

    requirements: tuple[str, ...]
    """Checked and without markers: untrusted text never reaches uv as it is."""
    constraints: tuple[str, ...]
    target: Target


@dataclass(frozen=True, kw_only=True, slots=True)
class _Outcome:
    status: int
    output: str
    errors: str


class UvProcess:
    """``uv pip compile`` for a target that is not this machine."""

    def __init__(self, options: UvResolverOptions) -> None:
        self._options = options
        self._uv = find_uv_bin()

    async def compile(
        self, question: Question, *options: str, pages: str | None = None, asked_by: str = SERVICE
    ) -> dict[str, Any]:
        """Resolve and return the lock file's content (PEP 751).

        Args:
            question: What to resolve.
            *options: Further options of ``uv pip compile``; they must forbid all building.
            pages: Address of pages on loopback that are read first; upstream serves only what they do not have.
            asked_by: Whose request it is. Callers share the runs that may go on at once.

        Raises:
            ResolverBusyError: Too many resolutions of others are running.
            BuildRequirementsError: There is no such set of releases, or none was found in time.
            IndexUnavailableError: The index does not answer.
        """
        with tempfile.TemporaryDirectory(prefix="wheelyard-resolve-") as directory:
            constraints = Path(directory, "constraints.txt")
            await asyncio.to_thread(constraints.write_text, "\n".join(question.constraints))
            command = [*self._command(question, constraints), *options]
            async with self._turn(asked_by):
                outcome = await self._run(command, question, directory=directory, pages=pages)
        reason = _explain(hide_password(outcome.errors, self._options.index_url))
        reason = reason.replace(pages, "our own pages") if pages else reason
        if outcome.status == _UNREACHABLE and _UNPARSED not in reason:
            # uv has this status for every error that is not caused by the requirements: nearly always the network.
            raise IndexUnavailableError(index="upstream", reason=reason)
        if outcome.status:
            # Any other end is caused by the requirements or by what the index has for them. Trying again would not
            # help.
            ended = "" if outcome.status > 0 else f"the resolver was ended by signal {-outcome.status}; "
            raise BuildRequirementsError(requirements=question.requirements, reason=f"{ended}{reason}")
        try:
            return await asyncio.to_thread(read_toml, outcome.output)
        except RefusedTextError as error:
            raise BuildRequirementsError(
                requirements=question.requirements, reason=f"the answer cannot be read, {error}"
            ) from error

    @contextlib.asynccontextmanager
    async def _turn(self, asked_by: str) -> AsyncIterator[None]:
        wait_seconds = None if asked_by == SERVICE else self._options.wait_seconds
        async with contextlib.AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(self._options.slots.slot(asked_by, wait_seconds=wait_seconds))
            except SlotsBusyError as error:
                raise ResolverBusyError(processes=self._options.slots.count) from error
            yield

    def _command(self, question: Question, constraints: Path) -> list[str]:
        options = self._options
        # uv requires --python. The target is given by --python-version and --python-platform.
        return [
            *(self._uv, "pip", "compile", "-", "--format", "pylock.toml"),
            *("--python-version", python_version(question.target.python), "--python-platform", _platform_of(question)),
            *("--python", sys.executable, "--no-python-downloads", "--constraints", str(constraints)),
            *("--cache-dir", str(options.cache_dir), "--system-certs"),
            *("--no-config", "--no-header", "--no-annotate", "--no-progress", "--color", "never", "--quiet"),
        ]

    async def _run(self, command: Sequence[str], question: Question, *, directory: str, pages: str | None) -> _Outcome:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *command, stdin=pipe, stdout=pipe, stderr=pipe, cwd=directory, env=self._environment(pages)
        )
        try:
            # It does nothing before it has read its input, so the limits are set before the work begins.
            _limit(process.pid, memory_bytes=self._options.memory_bytes, seconds=self._options.timeout_seconds)
            async with asyncio.timeout(self._options.timeout_seconds):
                output, errors = await process.communicate("\n".join(question.requirements).encode())
        except TimeoutError as error:
            # A slow or silent index ends with uv's own, shorter limits. This is an endless search, which untrusted
            # requirements can cause on purpose, so it is not tried again by itself.
            reason = f"no set of releases was found within {self._options.timeout_seconds:g} seconds"
            raise BuildRequirementsError(requirements=question.requirements, reason=reason) from error
        finally:
            if process.returncode is None:
                process.kill()
                await read_out(process)
        status = await process.wait()
        return _Outcome(status=status, output=output.decode(), errors=errors.decode(errors="replace"))

    def _environment(self, pages: str | None) -> dict[str, str]:
        """Return uv's environment, without secrets and foreign settings (UV_*, PIP_*).

        The index is set here and not on the command line, which other users of the host can read.
        """
        kept = {key: value for key, value in self._options.environment.items() if key.upper() in _INHERITED}
        kept["UV_DEFAULT_INDEX"] = self._options.index_url
        if pages is not None:
            # uv looks for a project on these pages first. It stops at the first index that has a page, even an empty
            # one: https://github.com/astral-sh/uv/pull/12805
            kept |= {"UV_INDEX": pages, "UV_INDEX_STRATEGY": "first-index"}
            kept["NO_PROXY"] = ",".join(filter(None, (_no_proxy(kept), "127.0.0.1")))
        if self._options.ca_bundle is not None:
            kept.pop("SSL_CERT_DIR", None)
            kept["SSL_CERT_FILE"] = str(self._options.ca_bundle)
        return kept


def _limit(pid: int, *, memory_bytes: int, seconds: float) -> None:
    """Have the kernel limit a process: if we die, no other process would end it."""
    processor_seconds = math.ceil(seconds)
    with contextlib.suppress(ProcessLookupError):
        # Not its address space, of which uv reserves far more than it uses.
        resource.prlimit(pid, resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
        resource.prlimit(pid, resource.RLIMIT_CPU, (processor_seconds, processor_seconds))
        resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))


def _no_proxy(environment: dict[str, str]) -> str:
    """Remove and return the hosts that need no proxy, in either spelling of the variable."""
    return environment.pop("no_proxy", "") or environment.pop("NO_PROXY", "")


def _platform_of(question: Question) -> str:
    platform = uv_platform(question.target.policy)
    if platform is None:
        reason = f"the resolver knows no platform that is compatible with {question.target.platform}"
        raise BuildRequirementsError(requirements=question.requirements, reason=reason)
    return platform


def _explain(errors: str) -> str:
    """Return uv's explanation on one line of limited length, without advice on options that are not available here."""
    lines = (line.strip().removeprefix("error: ").removeprefix("cause: ").rstrip(".") for line in errors.splitlines())
    text = "; ".join(line for line in lines if line and _INDEX_OPTION not in line) or "uv gave no reason"
    return text if len(text) <= _REASON_LENGTH else text[:_REASON_LENGTH] + " …"
