"""Errors of the project that was built: the project is at fault, or needs a recipe."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from wheelyard.errors.base import ProjectError

# What cargo prints when a crate or a Cargo.lock needs a newer cargo.
_NEWER_RUST: Final = re.compile(
    r"feature `edition\d{4}` is required|requires rustc \d|does not understand this lock file"
)
_MOST_LIBRARIES: Final = 5
_MOST_LOST: Final = 20
_MOST_LIES: Final = 5
_MISSING_LIBRARY: Final = re.compile(r"([\w.+-]{1,200}): cannot open shared object file")
_MISSING_MODULE: Final = re.compile(r"^import \S+: ModuleNotFoundError: No module named '([\w.]{1,200})'")


@dataclass(frozen=True, kw_only=True, slots=True)
class Use:
    """Peak resource use of a container; None for what its kernel does not count."""

    memory_bytes: int | None = None
    processes: int | None = None
    """Processes and threads at the same time."""
    scratch_bytes: int | None = None
    """Bytes in use at its end, in the fuller of its two writable folders."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkCall:
    """A host that a build tried to reach."""

    host: str
    port: int | None
    """None if it is not known, because only the name was looked up."""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host and self.port else self.host
        return f"{host}:{self.port}" if self.port else self.host


@dataclass(frozen=True, kw_only=True, slots=True)
class WheelLie:
    """A false claim of a wheel; its texts are untrusted."""

    kind: str
    """Its name, such as ``abi3-violated``; each kind has a row in ``docs/healing.md``."""
    subject: str
    """The wheel, or the member or tag that it is about."""
    detail: str
    """What is claimed, and what is true."""


class InvalidSdistError(ProjectError):
    """The sdist is not a source distribution that can be unpacked and built."""

    code = "invalid-sdist"

    def __init__(self, *, file: str, reason: str, remedy: str = "Report it to the project. Nothing was built.") -> None:
        self.file, self.reason = file, reason
        super().__init__(f"{file} is not a usable sdist: {reason}.", remedy)


class SdistNotBuiltError(ProjectError):
    """No wheel was made from an sdist that was brought, for any of its targets."""

    code = "sdist-not-built"

    def __init__(self, *, file: str, reason: str, remedy: str = "") -> None:
        self.file, self.reason = file, reason
        super().__init__(
            f"No wheel could be made from {file}: {reason.rstrip('.')}.",
            remedy or "The request for its wheels lists each target with its build. Correct the sdist, or its recipe.",
        )


class GitSourceRefusedError(ProjectError):
    """The commit of a source in git is too large, damaged, or has what is not fetched from other hosts."""

    code = "git-source-refused"

    def __init__(self, *, source: str, reason: str) -> None:
        self.source, self.reason = source, reason
        super().__init__(
            f"{source} is not used: {reason}.",
            "Change the repository. An operator can allow the host of a submodule in WHEELYARD_GIT_HOSTS, and raise "
            "WHEELYARD_LIMIT_SDIST_BYTES.",
        )


class BuildRequirementsError(ProjectError):
    """The project's build requirements have no usable wheels for the builder."""

    code = "build-requirements"

    def __init__(self, *, requirements: Sequence[str], reason: str) -> None:
        self.requirements, self.reason = tuple(requirements), reason
        super().__init__(
            f"The build requirements {', '.join(self.requirements)} cannot be resolved to wheels: {reason}.",
            "Wheelyard builds requirements that have a compatible sdist. Constrain this one to a release that exists "
            "for the target, with build-constraints in a recipe.",
        )


class WheelsMissingError(ProjectError):
    """A requirement has no wheel for the target, but an sdist that one can be built from."""

    code = "wheels-missing"

    def __init__(self, *, releases: Sequence[tuple[str, str]], target: str) -> None:
        self.releases, self.target = tuple(releases), target
        """Project and version of each."""
        names = ", ".join(f"{project} {version}" for project, version in self.releases)
        super().__init__(
            f"These requirements have no wheel for {target} yet: {names}.",
            "The service builds them first and then tries again. 'wheelyard recipe test' does not: constrain them to "
            "releases that have wheels.",
        )


class RequirementBuildFailedError(ProjectError):
    """A build waited for the wheel of a requirement, and there will be none."""

    code = "requirement-build-failed"

    def __init__(self, *, chain: Sequence[str], end: str, reason: str, build_id: str | None) -> None:
        self.chain, self.end, self.reason, self.build_id = tuple(chain), end, reason, build_id
        first, *needed = self.chain
        because = f": {reason.rstrip('.')}" if reason else ""
        seen = f"See it with 'wheelyard show {build_id}'. " if build_id else ""
        super().__init__(
            f"{first} needs {', which needs '.join(needed)}, {end}{because}.",
            f"{seen}Once {needed[-1]} can be built, retry this build. Or constrain the requirement to a release that "
            "has a wheel.",
        )


class RequirementCycleError(ProjectError):
    """Builds would wait for each other in a cycle."""

    code = "requirement-cycle"

    def __init__(self, *, path: Sequence[str]) -> None:
        self.path = tuple(path)
        super().__init__(
            f"{' needs '.join(self.path)}: each waits for the next one's wheel, so none of them can be built first.",
            "Constrain one of them to a release that has a wheel, or drop the requirement in its recipe.",
        )


class RequirementChainError(ProjectError):
    """A build, or one that waits for it, would wait for too many other builds."""

    code = "requirement-chain"

    def __init__(self, *, release: str, reason: str, limit: int) -> None:
        self.release, self.reason, self.limit = release, reason, limit
        super().__init__(
            f"{release} would wait for more builds than are allowed: {reason}, and the limit is {limit}.",
            "Request its requirements separately first, the deepest one before the others.",
        )


class RequirementUnusableError(ProjectError):
    """A requirement was built, but its wheel does not fit the build that waited for it."""

    code = "requirement-unusable"

    def __init__(self, *, release: str, needed: str) -> None:
        self.release, self.needed = release, needed
        super().__init__(
            f"{release} needs {needed}, which was built for it, but our index still has no compatible wheel of it.",
            "Check that wheel: its tags may not serve this target, or it was yanked or deleted.",
        )


class ToolchainTooOldError(ProjectError):
    """The recipe asks for a newer toolchain than the builder's suite has."""

    code = "toolchain-too-old"

    def __init__(self, *, toolchain: str, suite: str, have: str | None, want: str, others: Sequence[str] = ()) -> None:
        self.toolchain, self.suite, self.have, self.want, self.others = toolchain, suite, have, want, tuple(others)
        has = f"has {toolchain} {have}" if have else f"has no {toolchain}"
        super().__init__(
            f"The recipe wants {want}, and the builder of {suite} {has}.",
            f"Request a platform of {' or '.join(self.others)}."
            if self.others
            else "No suite of this Wheelyard has a newer one. Build an older release.",
        )


class ReleaseUnsupportedError(ProjectError):
    """The recipe states that the release cannot be built for this target."""

    code = "release-unsupported"

    def __init__(self, *, release: str, target: str, suite: str, reason: str, others: Sequence[str] = ()) -> None:
        self.release, self.target, self.suite, self.reason, self.others = release, target, suite, reason, tuple(others)
        super().__init__(
            f"{release} cannot be built for {target} on {suite}: {reason}.",
            f"Request a platform of {' or '.join(self.others)}."
            if self.others
            else "No suite of this Wheelyard can build it for this Python. Request another release.",
        )


class CratesRefusedError(ProjectError):
    """The crates that a project needs cannot be fetched safely, or do not exist."""

    code = "crates-refused"

    def __init__(self, *, release: str, reason: str) -> None:
        self.release, self.reason = release, reason
        newer = (
            "They need a newer Rust than this suite has. Request a platform of a newer suite, or an older release. "
            'A floor in the recipe, such as toolchains = ["rust>=1.85"], refuses such a request immediately.'
        )
        usual = (
            "Only crates of crates.io are fetched, checked against the checksums in Cargo.lock. A project that needs "
            "others can include them in its sdist ('cargo vendor')."
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
        requirements: Sequence[str] = (),
    ) -> None:
        self.release, self.exit_reason, self.cause, self.remedy = release, exit_reason, cause, remedy
        self.network, self.use = tuple(network), use
        self.requirements = tuple(requirements)
        """File names of the build requirements that it had."""
        super().__init__(
            f"{release} did not build: {cause or exit_reason}.",
            remedy or "The end of the log shows the backend's output. Add a missing header or library to a recipe.",
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
            _raise_limit(
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
        reached = "" if reached_bytes is None else f"; its peak was {_mebibytes(reached_bytes)}"
        super().__init__(
            f"The {stage} stage was killed at its memory limit of {limit_bytes >> 20} MiB{reached}.",
            _raise_limit(
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
        reached = "" if reached_bytes is None else f"; {_mebibytes(reached_bytes)} were in use at the end"
        remedy = _raise_limit(
            "limits.disk",
            default="WHEELYARD_LIMIT_SCRATCH_BYTES",
            ceiling="WHEELYARD_WORKER_MEMORY_BYTES",
            at_ceiling=at_ceiling,
        )
        super().__init__(
            f"The {stage} stage filled its writable space, whose limit is {limit_bytes >> 20} MiB{reached}.",
            f"{remedy} The space is in memory, so the memory limit may have to rise too.",
        )


class ProcessLimitError(ProjectError):
    """A stage reached its limit of processes and threads."""

    code = "process-limit"

    def __init__(self, *, stage: str, limit: int, reached: int | None = None) -> None:
        self.stage, self.limit, self.reached = stage, limit, reached
        most = "" if reached is None else f"; its peak was {reached}"
        super().__init__(
            f"The {stage} stage reached its limit of {limit} processes and threads{most}.",
            "Raise WHEELYARD_LIMIT_PROCESSES, or let the build run fewer programs at once.",
        )


class OpenFilesLimitError(ProjectError):
    """A process of a stage reached its limit of open files."""

    code = "open-files-limit"

    def __init__(self, *, stage: str, limit: int) -> None:
        self.stage, self.limit = stage, limit
        super().__init__(
            f"A process of the {stage} stage reached its limit of {limit} open files.",
            "Raise WHEELYARD_ENGINE_OPEN_FILES, as far as the engine's own limit allows.",
        )


class OutputLimitError(ProjectError):
    """A stage's container sent more output than its limit."""

    code = "output-limit"

    def __init__(self, *, stage: str, size_bytes: int, limit_bytes: int) -> None:
        self.stage, self.size_bytes, self.limit_bytes = stage, size_bytes, limit_bytes
        super().__init__(
            f"The {stage} container's output was refused: it has {size_bytes} bytes or more, and the limit is"
            f" {limit_bytes}.",
            "If the wheel is really that large, raise WHEELYARD_LIMIT_WHEEL_BYTES.",
        )


class UntrustedOutputError(ProjectError):
    """A container's output is not what the job should produce."""

    code = "untrusted-output"

    def __init__(self, *, stage: str, reason: str, lies: Sequence[WheelLie] = (), remedy: str = "") -> None:
        self.stage, self.reason, self.lies, self.remedy = stage, reason, tuple(lies), remedy
        super().__init__(
            f"The {stage} container's output was refused: {reason}.",
            f"{remedy} Read the log: the project's own code may have tampered with its output.".strip(),
        )


class RepairFailedError(ProjectError):
    """The wheel cannot be made to comply with the target's policy."""

    code = "repair-failed"

    def __init__(self, *, wheel: str, policy: str | None, reason: str) -> None:
        self.wheel, self.policy, self.reason = wheel, policy, reason
        """``policy`` is None for a brought wheel, which may get the tag of any policy."""
        advice = (
            "Request a platform with a newer glibc, or have the recipe provide a library that complies."
            if policy
            else "Build it so that it contains its libraries, or name their system packages in the project's recipe."
        )
        super().__init__(f"{wheel} cannot be made to comply with {policy or 'any manylinux policy'}: {reason}.", advice)


class InvalidWheelError(ProjectError):
    """A brought file is not a wheel whose parts agree."""

    code = "invalid-wheel"

    def __init__(self, *, file: str, reason: str, lies: Sequence[WheelLie] = (), remedy: str = "") -> None:
        self.file, self.reason, self.lies, self.remedy = file, reason, tuple(lies), remedy
        super().__init__(
            f"{file} is not a usable wheel: {reason}.",
            remedy or "Build it again with a current build backend, and do not rename or edit it afterwards.",
        )


class NoTargetFitsError(ProjectError):
    """No target accepts a brought wheel's tags, or the Python that an sdist requires, so that nothing can prove it."""

    code = "no-target-fits"

    def __init__(self, *, wheel: str, requires_python: str | None, known: Sequence[str]) -> None:
        self.wheel, self.requires_python, self.known = wheel, requires_python, tuple(known)
        wants = f" (Requires-Python: {requires_python})" if requires_python else ""
        super().__init__(
            f"{wheel}{wants} installs on none of the targets that there are: {', '.join(self.known)}.",
            "Build it for one of these targets, or add its Python or suite to the catalogue.",
        )


class WheelClaimsFalseError(ProjectError):
    """The wheel's tags, or the names of its files, claim what its native files cannot do."""

    code = "wheel-claims-false"

    def __init__(self, *, wheel: str, lies: Sequence[WheelLie], remedy: str = "") -> None:
        self.wheel, self.lies, self.remedy = wheel, tuple(lies), remedy
        shown = "; ".join(f"{lie.subject}: {lie.detail} ({lie.kind})" for lie in self.lies[:_MOST_LIES])
        more = f"; and {len(self.lies) - _MOST_LIES} more" if len(self.lies) > _MOST_LIES else ""
        super().__init__(
            f"{wheel} claims what is not so: {shown or 'the container named nothing'}{more}.",
            f"It was not published. {remedy or 'Each finding of the failure says what fixes it.'}",
        )


class GraftRefusedError(ProjectError):
    """Repair grafted libraries that the recipe forbids."""

    code = "graft-refused"

    def __init__(self, *, wheel: str, problems: Sequence[str]) -> None:
        self.wheel, self.problems = wheel, tuple(problems)
        super().__init__(
            f"{wheel} carries what its recipe forbids: {'; '.join(self.problems)}.",
            "Build it without the library (env, config-settings), or take the library from the host "
            "(repair.exclude), or change the recipe's rule.",
        )


class LicenseDeniedError(ProjectError):
    """The wheel carries something with a license that its recipe or the operator denies."""

    code = "license-denied"

    def __init__(self, *, wheel: str, problems: Sequence[str]) -> None:
        self.wheel, self.problems = wheel, tuple(problems)
        shown = "; ".join(self.problems[:_MOST_LIES])
        more = f"; and {len(self.problems) - _MOST_LIES} more" if len(self.problems) > _MOST_LIES else ""
        super().__init__(
            f"{wheel} carries what may not be shipped: {shown}{more}.",
            "Build it without that part (env, config-settings), take the library from the host (repair.exclude), or "
            "change the rule. A package's license is what Debian's copyright file says of its whole source.",
        )


class PolicyFloorError(ProjectError):
    """The wheel needs a newer glibc than its recipe promises."""

    code = "policy-floor"

    def __init__(self, *, wheel: str, policy: str, floor: str, reason: str = "") -> None:
        self.wheel, self.policy, self.floor, self.reason = wheel, policy, floor, reason
        super().__init__(
            f"{wheel} needs {policy}, and its recipe's repair.floor is {floor}{f': {reason}' if reason else ''}.",
            "Request a platform with an older glibc, which another builder serves, or change repair.floor.",
        )


class VerifyFailedError(ProjectError):
    """The wheel does not work in the bare runtime image."""

    code = "verify-failed"

    def __init__(
        self,
        *,
        wheel: str,
        problems: Sequence[str],
        missing_libraries: Sequence[str] = (),
        missing_modules: Sequence[str] = (),
    ) -> None:
        self.wheel, self.problems = wheel, tuple(problems)
        self.missing_libraries = tuple(missing_libraries)
        """Sonames that the wheel's native files need, and that neither the wheel nor the image has."""
        self.missing_modules = tuple(missing_modules)
        """Modules of other projects without which required imports failed."""
        super().__init__(
            f"{wheel} does not work in the bare runtime image: {'; '.join(self.problems)}.",
            f"It was not published. {self._advice()}",
        )

    def _advice(self) -> str:
        found = (_MISSING_LIBRARY.search(problem) for problem in self.problems)
        libraries = self.missing_libraries or tuple(match[1] for match in found if match)[:1]
        wanted = next((match[1] for match in map(_MISSING_MODULE.search, self.problems) if match), None)
        if not libraries and wanted is not None:
            return (
                f"If {wanted} is in another project that this one needs but does not require, name that project in the "
                "recipe's test.requires, and the modules to import in its test.imports. If a module is optional, name "
                "the others in test.imports."
            )
        if not libraries:
            return "If a module is optional, name the modules to import in the recipe's test.imports."
        more = f" and {len(libraries) - _MOST_LIBRARIES} more" if len(libraries) > _MOST_LIBRARIES else ""
        names = ", ".join(libraries[:_MOST_LIBRARIES]) + more
        verb = "is" if len(libraries) == 1 else "are"
        return (
            f"{names} {verb} neither in the wheel nor in a bare image. Libraries that the policy promises on every host"
            " are grafted only if the recipe's repair.graft names them. If a process must have one copy only, as of"
            " glib and X11, name the Debian package in the recipe's test.apt."
        )


class ExtensionMissingError(ProjectError):
    """The wheel lacks extension modules that it must have."""

    code = "extension-missing"

    def __init__(self, *, wheel: str, missing: Sequence[str], evidence: Sequence[str] = ()) -> None:
        self.wheel, self.missing, self.evidence = wheel, tuple(missing), tuple(evidence)
        more = len(self.missing) - _MOST_LOST
        lost = ", ".join(self.missing[:_MOST_LOST]) + (f" and {more} more" if more > 0 else "")
        said = f"{wheel} was built without {lost if lost.startswith('any ') else f'its extension modules {lost}'}."
        super().__init__(
            " ".join([said, *self.evidence]),
            "The build skipped them without an error: usually the recipe's apt list lacks a -dev package. If the wheel"
            " is correct without them, name them in the recipe's expect.absent, or set expect.pure = true.",
        )


class RequirementsUnsatisfiedError(ProjectError):
    """The wheel's own requirements have no usable wheels for the target."""

    code = "runtime-requirements"

    def __init__(self, *, wheel: str, reason: str) -> None:
        self.wheel, self.reason = wheel, reason
        super().__init__(
            f"The requirements of {wheel} cannot be installed: {reason}.",
            "Wheelyard builds requirements that have a compatible sdist. Request a release whose requirements exist "
            "for the target.",
        )


class ResolutionTooLargeError(ProjectError):
    """Resolving would send the upstream index more queries than any application needs."""

    code = "resolution-too-large"

    def __init__(self, *, what: str, limit: int) -> None:
        self.what, self.limit = what, limit
        super().__init__(
            f"The resolver gave up: {what}, and {limit} are allowed.",
            "Check what the project requires. A lock file or tighter requirements leave less to resolve.",
        )


def _mebibytes(size: int) -> str:
    """Return a size in bytes as a text in MiB."""
    return f"{size / (1 << 20):.1f} MiB"


def _raise_limit(key: str, *, default: str, ceiling: str, at_ceiling: bool) -> str:
    """Return how to raise a limit. A recipe may exceed the default, up to the operator's ceiling."""
    if at_ceiling:
        return f"Raise {ceiling}: the build already had all of it, and the recipe's {key} cannot exceed it."
    return f"Raise {key} in the recipe (at most {ceiling}), or {default} for builds whose recipe has none."
