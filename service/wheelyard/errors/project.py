"""Errors of a project that was built: it is at fault, or needs a recipe."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from wheelyard.errors.base import OperatorError, ProjectError, mebibytes, raise_limit

# What cargo says of crates, and of a Cargo.lock, that are newer than itself.
_NEWER_RUST: Final = re.compile(
    r"feature `edition\d{4}` is required|requires rustc \d|does not understand this lock file"
)
_MISSING_LIBRARY: Final = re.compile(r"([\w.+-]{1,200}): cannot open shared object file")
_MISSING_MODULE: Final = re.compile(r"^import \S+: ModuleNotFoundError: No module named '([\w.]{1,200})'")


@dataclass(frozen=True, kw_only=True, slots=True)
class Use:
    """The most that a container had; None for what its kernel does not count."""

    memory_bytes: int | None = None
    processes: int | None = None
    """Processes and threads at a time."""
    scratch_bytes: int | None = None
    """What was in use of the fuller of its two writable places when it ended."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkCall:
    """A host that was called for."""

    host: str
    port: int | None
    """None where it is not known: a name was asked for, and nothing said what for."""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host and self.port else self.host
        return f"{host}:{self.port}" if self.port else self.host


class InvalidSdistError(ProjectError):
    """The sdist is not a source distribution that can be unpacked and built."""

    code = "invalid-sdist"

    def __init__(self, *, file: str, reason: str) -> None:
        self.file, self.reason = file, reason
        super().__init__(f"{file} is not a usable sdist: {reason}.", "Report it to the project; nothing was built.")


class BuildRequirementsError(ProjectError):
    """What the project needs to be built cannot be had as wheels for the builder."""

    code = "build-requirements"

    def __init__(self, *, requirements: Sequence[str], reason: str) -> None:
        self.requirements, self.reason = tuple(requirements), reason
        super().__init__(
            f"The build requirements {', '.join(self.requirements)} cannot be resolved to wheels: {reason}.",
            "What has an sdist that fits would be built first. Constrain the requirement to a release that exists for "
            "the target, with build-constraints in a recipe.",
        )


class WheelsMissingError(ProjectError):
    """Something that a project requires has no wheel for the target, and an sdist that one could be built from."""

    code = "wheels-missing"

    def __init__(self, *, releases: Sequence[tuple[str, str]], target: str) -> None:
        self.releases, self.target = tuple(releases), target
        """Project and version of each."""
        names = ", ".join(f"{project} {version}" for project, version in self.releases)
        super().__init__(
            f"What it requires has no wheel for {target} yet: {names}.",
            "The service builds it first and then tries again. 'wheelyard recipe test' does not: constrain the "
            "requirement to a release that has a wheel.",
        )


class RequirementBuildFailedError(ProjectError):
    """A build waited for the wheel of something that it requires, and there will be none."""

    code = "requirement-build-failed"

    def __init__(self, *, chain: Sequence[str], end: str, reason: str, build_id: str | None) -> None:
        self.chain, self.end, self.reason, self.build_id = tuple(chain), end, reason, build_id
        first, *needed = self.chain
        because = f": {reason.rstrip('.')}" if reason else ""
        seen = f"See it with 'wheelyard show {build_id}'. " if build_id else ""
        super().__init__(
            f"{first} needs {', which needs '.join(needed)}, {end}{because}.",
            f"{seen}Once {needed[-1]} can be built, retry this build; or constrain the requirement to a release that "
            "has a wheel.",
        )


class RequirementCycleError(ProjectError):
    """Builds would wait for each other in a circle."""

    code = "requirement-cycle"

    def __init__(self, *, path: Sequence[str]) -> None:
        self.path = tuple(path)
        super().__init__(
            f"{' needs '.join(self.path)}: each waits for the next one's wheel, so none of them can be the first.",
            "Constrain one of them to a release that has a wheel, or take the requirement out with its recipe.",
        )


class RequirementChainError(ProjectError):
    """A build would have too many other builds made before it, or before those that wait for it."""

    code = "requirement-chain"

    def __init__(self, *, release: str, reason: str, limit: int) -> None:
        self.release, self.reason, self.limit = release, reason, limit
        super().__init__(
            f"{release} would wait for more builds than are allowed: {reason}, and the limit is {limit}.",
            "Request what it needs by itself first, the deepest requirement before the others.",
        )


class RequirementUnusableError(ProjectError):
    """A build waited for the wheel of something that it requires, got it, and cannot use it."""

    code = "requirement-unusable"

    def __init__(self, *, release: str, needed: str) -> None:
        self.release, self.needed = release, needed
        super().__init__(
            f"{release} needs {needed}, which was built for it, and our index still has no wheel of it that fits.",
            "Look at that wheel: its tags may not serve this target, or it was yanked or deleted.",
        )


class ToolchainTooOldError(ProjectError):
    """The recipe asks for a newer toolchain than the builder's suite has."""

    code = "toolchain-too-old"

    def __init__(self, *, toolchain: str, suite: str, have: str | None, want: str, others: Sequence[str] = ()) -> None:
        self.toolchain, self.suite, self.have, self.want, self.others = toolchain, suite, have, want, tuple(others)
        has = f"has {toolchain} {have}" if have else f"has no {toolchain}"
        super().__init__(
            f"The recipe wants {want}, and the builder of {suite} {has}.",
            f"Ask for a platform of {' or '.join(self.others)}."
            if self.others
            else "No suite of this Wheelyard has one that is new enough: build an older release.",
        )


class ReleaseUnsupportedError(ProjectError):
    """The recipe says that the release cannot be built where it was asked for."""

    code = "release-unsupported"

    def __init__(self, *, release: str, target: str, suite: str, reason: str, others: Sequence[str] = ()) -> None:
        self.release, self.target, self.suite, self.reason, self.others = release, target, suite, reason, tuple(others)
        super().__init__(
            f"{release} cannot be built for {target} on {suite}: {reason}.",
            f"Ask for a platform of {' or '.join(self.others)}."
            if self.others
            else "No suite of this Wheelyard will do for this Python: ask for another release.",
        )


class CratesRefusedError(ProjectError):
    """The crates that a project needs are not ones that can be fetched safely, or there is no such set."""

    code = "crates-refused"

    def __init__(self, *, release: str, reason: str) -> None:
        self.release, self.reason = release, reason
        newer = (
            "They want a newer Rust than this suite has. Ask for a platform of a newer suite, or for an older release; "
            'a floor in the recipe, such as toolchains = ["rust>=1.85"], refuses such a request at once.'
        )
        usual = (
            "Crates come from cargo's own registry, by the checksums in Cargo.lock. A project that needs others can "
            "carry them in its sdist ('cargo vendor')."
        )
        summary = f"The crates of {release} cannot be fetched: {reason}."
        super().__init__(summary, newer if _NEWER_RUST.search(reason) else usual)


class BuildFailedError(ProjectError):
    """The project's build backend ended with an error."""

    code = "build-failed"

    def __init__(  # noqa: PLR0913  (each is a field of the failure)
        self,
        *,
        release: str,
        exit_reason: str,
        cause: str = "",
        remedy: str = "",
        network: Sequence[NetworkCall] = (),
        use: Use = Use(),
    ) -> None:
        self.release, self.exit_reason, self.cause, self.remedy = release, exit_reason, cause, remedy
        self.network, self.use = tuple(network), use
        super().__init__(
            f"{release} did not build: {cause or exit_reason}.",
            remedy
            or "The log's last lines show what the backend said; a missing header or library goes into a recipe.",
        )


class BuildTimeoutError(ProjectError):
    """A stage ran longer than its limit."""

    code = "time-limit"

    def __init__(
        self, *, stage: str, limit_seconds: int, reached_seconds: float | None = None, at_ceiling: bool = False
    ) -> None:
        self.stage, self.limit_seconds, self.at_ceiling = stage, limit_seconds, at_ceiling
        self.reached_seconds = reached_seconds
        reached = "" if reached_seconds is None else f", at {reached_seconds:.1f} seconds"
        super().__init__(
            f"The {stage} stage was stopped after its limit of {limit_seconds} seconds{reached}.",
            raise_limit(
                "limits.time",
                default="WHEELYARD_LIMIT_TIME_SECONDS",
                ceiling="WHEELYARD_CEILING_TIME_SECONDS",
                at_ceiling=at_ceiling,
            ),
        )


class OutOfMemoryError(ProjectError):
    """A stage used more memory than its limit."""

    code = "memory-limit"

    def __init__(
        self, *, stage: str, limit_bytes: int, reached_bytes: int | None = None, at_ceiling: bool = False
    ) -> None:
        self.stage, self.limit_bytes, self.at_ceiling = stage, limit_bytes, at_ceiling
        self.reached_bytes = reached_bytes
        reached = "" if reached_bytes is None else f"; the most it had was {mebibytes(reached_bytes)}"
        super().__init__(
            f"The {stage} stage was killed at its memory limit of {limit_bytes >> 20} MiB{reached}.",
            raise_limit(
                "limits.memory",
                default="WHEELYARD_LIMIT_MEMORY_BYTES",
                ceiling="WHEELYARD_WORKER_MEMORY_BYTES",
                at_ceiling=at_ceiling,
            ),
        )


class DiskLimitError(ProjectError):
    """A stage filled its writable space."""

    code = "disk-limit"

    def __init__(
        self, *, stage: str, limit_bytes: int, reached_bytes: int | None = None, at_ceiling: bool = False
    ) -> None:
        self.stage, self.limit_bytes, self.at_ceiling = stage, limit_bytes, at_ceiling
        self.reached_bytes = reached_bytes
        reached = "" if reached_bytes is None else f"; {mebibytes(reached_bytes)} were in use at the end"
        remedy = raise_limit(
            "limits.disk",
            default="WHEELYARD_LIMIT_SCRATCH_BYTES",
            ceiling="WHEELYARD_WORKER_MEMORY_BYTES",
            at_ceiling=at_ceiling,
        )
        super().__init__(
            f"The {stage} stage filled its writable space, whose limit is {limit_bytes >> 20} MiB{reached}.",
            f"{remedy} The space lies in memory, so that limit may have to rise with it.",
        )


class ProcessLimitError(ProjectError):
    """A stage wanted more processes and threads at a time than its limit."""

    code = "process-limit"

    def __init__(self, *, stage: str, limit: int, reached: int | None = None) -> None:
        self.stage, self.limit, self.reached = stage, limit, reached
        most = "" if reached is None else f"; the most it had was {reached}"
        super().__init__(
            f"The {stage} stage was refused more than {limit} processes and threads, its limit{most}.",
            "Raise WHEELYARD_LIMIT_PROCESSES, or let the build run fewer programs at once.",
        )


class OpenFilesLimitError(ProjectError):
    """A process of a stage wanted more open files at a time than its limit."""

    code = "open-files-limit"

    def __init__(self, *, stage: str, limit: int) -> None:
        self.stage, self.limit = stage, limit
        super().__init__(
            f"A process of the {stage} stage had {limit} open files, its limit, and was refused more.",
            "Raise WHEELYARD_ENGINE_OPEN_FILES, as far as the engine's own limit allows.",
        )


class OutputLimitError(ProjectError):
    """A stage's container sent more than is taken from one."""

    code = "output-limit"

    def __init__(self, *, stage: str, size_bytes: int, limit_bytes: int) -> None:
        self.stage, self.size_bytes, self.limit_bytes = stage, size_bytes, limit_bytes
        super().__init__(
            f"The {stage} container's output was refused: it has {size_bytes} bytes or more, and the limit is"
            f" {limit_bytes}.",
            "If the wheel is really that large, raise WHEELYARD_LIMIT_WHEEL_BYTES.",
        )


class UntrustedOutputError(ProjectError):
    """What came out of a container is not what the job promises."""

    code = "untrusted-output"

    def __init__(self, *, stage: str, reason: str) -> None:
        self.stage, self.reason = stage, reason
        super().__init__(
            f"The {stage} container's output was refused: {reason}.",
            "Read the log: the project's own code may have tampered with its output.",
        )


class RepairFailedError(ProjectError):
    """The wheel cannot be made to comply with the target's policy."""

    code = "repair-failed"

    def __init__(self, *, wheel: str, policy: str, reason: str) -> None:
        self.wheel, self.policy, self.reason = wheel, policy, reason
        super().__init__(
            f"{wheel} cannot be made to comply with {policy}: {reason}.",
            "Ask for a platform with a newer glibc, or give the recipe a library that complies.",
        )


class GraftRefusedError(ProjectError):
    """Repair grafted libraries that the wheel's recipe does not want in it."""

    code = "graft-refused"

    def __init__(self, *, wheel: str, problems: Sequence[str]) -> None:
        self.wheel, self.problems = wheel, tuple(problems)
        super().__init__(
            f"{wheel} carries what its recipe forbids: {'; '.join(self.problems)}.",
            "Build it without the library (env, config-settings), or leave it to whoever installs the wheel "
            "(repair.exclude), or change the recipe's rule.",
        )


class PolicyFloorError(ProjectError):
    """The wheel needs a newer glibc than its recipe promises."""

    code = "policy-floor"

    def __init__(self, *, wheel: str, policy: str, floor: str, reason: str = "") -> None:
        self.wheel, self.policy, self.floor, self.reason = wheel, policy, floor, reason
        super().__init__(
            f"{wheel} needs {policy}, and its recipe's repair.floor is {floor}{f': {reason}' if reason else ''}.",
            "Ask for a platform with an older glibc, which another builder compiles against, or change repair.floor.",
        )


class VerifyFailedError(ProjectError):
    """The wheel does not work in the bare runtime image."""

    code = "verify-failed"

    def __init__(self, *, wheel: str, problems: Sequence[str]) -> None:
        self.wheel, self.problems = wheel, tuple(problems)
        super().__init__(
            f"{wheel} does not work in the bare runtime image: {'; '.join(self.problems)}.",
            f"It was not published. {self._advice()}",
        )

    def _advice(self) -> str:
        found = (_MISSING_LIBRARY.search(problem) for problem in self.problems)
        library = next((match[1] for match in found if match), None)
        wanted = next((match[1] for match in map(_MISSING_MODULE.search, self.problems) if match), None)
        if library is None and wanted is not None:
            return (
                f"If the project works only beside another that has {wanted}, and does not require it, name that one "
                "in the recipe's test.requires and the modules in its test.imports. If a module is optional, name the "
                "others in test.imports."
            )
        if library is None:
            return "If a module is optional, name the modules to import in the recipe's test.imports."
        return (
            f"{library} is neither in the wheel nor in a bare image; libraries that the policy promises on every host "
            "are not grafted. If whoever installs the wheel has it, name its Debian package in the recipe's test.apt."
        )


class ExtensionMissingError(ProjectError):
    """The wheel lacks extension modules that it must have."""

    code = "extension-missing"

    def __init__(self, *, wheel: str, missing: Sequence[str]) -> None:
        self.wheel, self.missing = wheel, tuple(missing)
        lost = ", ".join(self.missing)
        super().__init__(
            f"{wheel} was built without {lost if lost.startswith('any ') else f'its extension modules {lost}'}.",
            "The build skipped them silently: usually a -dev package is missing from the recipe's apt list. If the"
            " wheel is right without them, its recipe says so: expect.absent with their names, or expect.pure = true.",
        )


class RequirementsUnsatisfiedError(ProjectError):
    """The wheel's own requirements cannot be had as wheels for the target."""

    code = "runtime-requirements"

    def __init__(self, *, wheel: str, reason: str) -> None:
        self.wheel, self.reason = wheel, reason
        super().__init__(
            f"What {wheel} requires cannot be installed beside it: {reason}.",
            "What has an sdist that fits would be built first; this needs a release that exists for the target.",
        )


class ServiceNotInstalledError(OperatorError):
    """A command of the service was called where only the client is installed."""

    code = "service-not-installed"
    retryable = False

    def __init__(self, *, module: str) -> None:
        self.module = module
        super().__init__(
            f"This command needs the service, and only the client is installed: there is no module {module}.",
            "Install the rest with \"pip install 'wheelyard[service]'\".",
        )


class WorkerLostError(OperatorError):
    """The worker that ran an attempt went away."""

    code = "worker-lost"

    def __init__(self, *, worker: str, died: bool = False) -> None:
        self.worker = worker
        self.died = died
        how = " Its process was killed or crashed, and its host went on." if died else ""
        super().__init__(
            f"The worker {worker} went away during this attempt.{how}", "The build is taken over by another attempt."
        )


class WorkerStoppedError(OperatorError):
    """The worker that ran an attempt was told to stop, and handed its build back."""

    code = "worker-stopped"

    def __init__(self, *, worker: str) -> None:
        self.worker = worker
        super().__init__(
            f"The worker {worker} was told to stop during this attempt.",
            "The build is in the queue again; the attempt does not count.",
        )


class AttemptsExhaustedError(OperatorError):
    """A build was given up after its last allowed attempt."""

    code = "attempts-exhausted"
    retryable = False

    def __init__(self, *, attempts: int) -> None:
        self.attempts = attempts
        super().__init__(
            f"The build was given up after {attempts} attempts that a worker did not live to finish.",
            "Look at the workers' logs and 'wheelyard doctor', then request the wheel again.",
        )


class WorkerKilledError(OperatorError):
    """Workers died one after the other while they ran the same build, so it is not given to another one."""

    code = "worker-killed"
    retryable = False

    def __init__(self, *, workers: Sequence[str]) -> None:
        self.workers = tuple(workers)
        super().__init__(
            f"Workers were killed or crashed while they ran this build: {', '.join(workers)}. Their hosts went on.",
            "What ended them is not known: the kernel for want of memory, a fault of Wheelyard that this project "
            "provokes, or somebody's kill -9. Look into the hosts' kernel logs (journalctl -k) and the workers' logs "
            "at the times of these attempts. If the build is not to blame, try it again with 'wheelyard retry'.",
        )


class RecordUnreadableError(OperatorError):
    """What is stored of a build or a request cannot be read."""

    code = "record-unreadable"
    retryable = False

    def __init__(self, *, kind: str, name: str, reason: str) -> None:
        self.kind = kind
        self.name = name
        self.reason = reason
        super().__init__(
            f"What is stored of the {kind} {name} cannot be read: {reason}.",
            "An older version has accepted what this one refuses, or the database was changed by hand. "
            "Ask for the wheels again, without what is named.",
        )
