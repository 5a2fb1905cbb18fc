"""Resolve requirements to wheels with uv, for a target that is not this machine. Must not install or run anything.

uv is driven by its command line because it has no library; its answer is read as the standard lock file (PEP 751).
"""

import asyncio
import functools
import sys
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from packaging.markers import Environment
from packaging.pylock import Package, PackageWheel, Pylock, PylockSelectError, PylockValidationError
from packaging.version import Version
from pypi_simple import PYPI_SIMPLE_ENDPOINT
from uv import find_uv_bin

from wheelyard.adapters.shared_work import RecentAnswers, SingleFlight
from wheelyard.adapters.wheel_requirements import applicable_requirements
from wheelyard.domain.release import IndexFile
from wheelyard.domain.target import Policy, Target
from wheelyard.errors import BuildRequirementsError, IndexUnavailableError

# The glibc 2.x platforms that uv 0.13 knows for --python-platform; there is one architecture in front of each.
UV_ARCHITECTURES: Final = ("x86_64", "aarch64")
UV_GLIBC_MINORS: Final = (17, 28, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40)
_INHERITED: Final = frozenset(
    {"HOME", "PATH", "SSL_CERT_DIR", "SSL_CERT_FILE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"}
)
_NO_SOLUTION: Final = 1
_REASON_LENGTH: Final = 1500


@dataclass(frozen=True, kw_only=True, slots=True)
class UvResolverOptions:
    """How uv is run."""

    cache_dir: Path
    """uv's own cache of pages and metadata; may be shared by processes."""
    environment: Mapping[str, str]
    """Our own environment, of which uv gets only proxies, certificates, HOME (for netrc) and PATH."""
    index_url: str = PYPI_SIMPLE_ENDPOINT
    ca_bundle: Path | None = None
    """PEM file to trust instead of the system's certificates."""
    answer_seconds: float = 300.0
    """How long an equal question gets the earlier answer."""
    timeout_seconds: float = 120.0
    """How long one resolution may take."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Question:
    requirements: tuple[str, ...]
    constraints: tuple[str, ...]
    target: Target


@dataclass(frozen=True, kw_only=True, slots=True)
class _Outcome:
    status: int
    output: str
    errors: str


class UvWheelResolver:
    """``uv pip compile`` as WheelResolver.

    No project's code runs: uv may use wheels only, and reads their metadata. An equal question within
    ``answer_seconds`` gets the earlier answer without asking uv, so a release that appears meanwhile is seen that
    much later; equal questions at the same time share one run. Failures are not remembered.
    """

    def __init__(self, options: UvResolverOptions) -> None:
        self._options = options
        self._uv = find_uv_bin()
        self._answers: RecentAnswers[_Question, tuple[IndexFile, ...]] = RecentAnswers(seconds=options.answer_seconds)
        self._running: SingleFlight[_Question, tuple[IndexFile, ...]] = SingleFlight()

    async def resolve(
        self, requirements: Sequence[str], *, target: Target, constraints: Sequence[str] = ()
    ) -> tuple[IndexFile, ...]:
        """Choose one wheel for each project that the requirements need on the target.

        Raises BuildRequirementsError with uv's own explanation if there is no such set of wheels, and
        IndexUnavailableError if the index does not answer.
        """
        question = _Question(
            requirements=tuple(map(str, applicable_requirements(requirements, target=target))),
            constraints=tuple(map(str, applicable_requirements(constraints, target=target))),
            target=target,
        )
        if not question.requirements:
            return ()
        known = self._answers.fresh(question)
        return known if known is not None else await self._running.run(question, functools.partial(self._ask, question))

    async def _ask(self, question: _Question) -> tuple[IndexFile, ...]:
        with tempfile.TemporaryDirectory(prefix="wheelyard-resolve-") as directory:
            constraints = Path(directory, "constraints.txt")
            await asyncio.to_thread(constraints.write_text, "\n".join(question.constraints))
            outcome = await self._run(self._command(question, constraints), question, cwd=directory)
        if outcome.status == _NO_SOLUTION:
            raise BuildRequirementsError(requirements=question.requirements, reason=_explain(outcome.errors))
        if outcome.status:
            # uv has one status (2) for every fault that is not the requirements' own: nearly always the network.
            raise IndexUnavailableError(index="upstream", reason=_explain(outcome.errors))
        return self._answers.keep(question, _read_lock(outcome.output, question))

    def _command(self, question: _Question, constraints: Path) -> list[str]:
        options = self._options
        # --python is only what uv insists on having; --python-version and --python-platform say what is asked for.
        return [
            *(self._uv, "pip", "compile", "-", "--format", "pylock.toml", "--only-binary", ":all:"),
            *("--python-version", question.target.python, "--python-platform", _uv_platform(question)),
            *("--python", sys.executable, "--no-python-downloads", "--constraints", str(constraints)),
            *("--default-index", options.index_url, "--cache-dir", str(options.cache_dir), "--system-certs"),
            *("--no-config", "--no-header", "--no-annotate", "--no-progress", "--color", "never", "--quiet"),
        ]

    async def _run(self, command: Sequence[str], question: _Question, *, cwd: str) -> _Outcome:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *command, stdin=pipe, stdout=pipe, stderr=pipe, cwd=cwd, env=self._environment()
        )
        try:
            async with asyncio.timeout(self._options.timeout_seconds):
                output, errors = await process.communicate("\n".join(question.requirements).encode())
        except TimeoutError as error:
            reason = f"no set of wheels was found within {self._options.timeout_seconds:g} seconds"
            raise IndexUnavailableError(index="upstream", reason=reason) from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        status = await process.wait()
        return _Outcome(status=status, output=output.decode(), errors=errors.decode(errors="replace"))

    def _environment(self) -> dict[str, str]:
        """Keep secrets and foreign settings (UV_*, PIP_*) away from uv."""
        kept = {key: value for key, value in self._options.environment.items() if key.upper() in _INHERITED}
        if self._options.ca_bundle is not None:
            kept.pop("SSL_CERT_DIR", None)
            kept["SSL_CERT_FILE"] = str(self._options.ca_bundle)
        return kept


def uv_platform(policy: Policy) -> str | None:
    """Name the newest platform that uv knows whose wheels all run where the policy's do, if there is one."""
    major, minor = policy.glibc
    fitting = [known for known in UV_GLIBC_MINORS if known <= minor]
    if policy.architecture not in UV_ARCHITECTURES or major != 2 or not fitting:  # noqa: PLR2004  glibc 2
        return None
    return f"{policy.architecture}-manylinux_2_{fitting[-1]}"


def _uv_platform(question: _Question) -> str:
    platform = uv_platform(question.target.policy)
    if platform is None:
        reason = f"the resolver knows no platform that is compatible with {question.target.platform}"
        raise BuildRequirementsError(requirements=question.requirements, reason=reason)
    return platform


def _explain(errors: str) -> str:
    """Put uv's explanation on one line of bearable length."""
    lines = (line.strip().removeprefix("error: ").removeprefix("cause: ").rstrip(".") for line in errors.splitlines())
    text = "; ".join(line for line in lines if line) or "uv gave no reason"
    return text if len(text) <= _REASON_LENGTH else text[:_REASON_LENGTH] + " …"


def _read_lock(text: str, question: _Question) -> tuple[IndexFile, ...]:
    environment = cast("Environment", question.target.marker_environment())
    try:
        lock = Pylock.from_dict(tomllib.loads(text))
        selected = list(lock.select(environment=environment, tags=question.target.tags()))
    except (PylockSelectError, PylockValidationError) as error:
        raise BuildRequirementsError(requirements=question.requirements, reason=str(error)) from error
    return tuple(_read_wheel(package, chosen, question) for package, chosen in selected)


def _read_wheel(package: Package, chosen: object, question: _Question) -> IndexFile:
    match package, chosen:
        case Package(version=Version() as version), PackageWheel(url=str(url), hashes={"sha256": str(sha256)}):
            pass
        case _:
            reason = f"{package.name} has no wheel with an address and a sha256"
            raise BuildRequirementsError(requirements=question.requirements, reason=reason)
    return IndexFile(
        filename=chosen.filename,
        url=url,
        sha256=sha256.lower(),
        kind="wheel",
        version=version,
        size_bytes=chosen.size,
        upload_time=chosen.upload_time,
    )
