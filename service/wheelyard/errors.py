"""Every error that Wheelyard reports, in one tree.

The first level says who can act: the caller, a recipe's author, the project that was built, or the operator. A class
carries a stable ``code``, whether trying again can help, and typed fields; its ``summary`` (what and why) and ``hint``
(what to do next) are built from those fields. HTTP statuses and exit codes are tables at the edges, not here. Each
code has a heading in ``docs/errors.md``.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar


class WheelyardError(Exception):
    """An error with a stable code, a summary of what went wrong and a hint at what to do next."""

    code: ClassVar[str] = "internal-error"
    retryable: ClassVar[bool] = False

    def __init__(self, summary: str, hint: str = "") -> None:
        super().__init__(summary)
        self.summary = summary
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.summary} {self.hint}".strip()


class CallerError(WheelyardError):
    """Whoever asked can mend this by asking differently."""

    code = "caller-error"


class RecipeError(WheelyardError):
    """The author of a recipe or of the catalogue can mend this."""

    code = "recipe-error"


class ProjectError(WheelyardError):
    """The project that was built is at fault, or needs a recipe; building it again as it is will fail again."""

    code = "project-error"


class OperatorError(WheelyardError):
    """Whoever runs this Wheelyard can mend this: the engine, the index, the database, the disk, the network."""

    code = "operator-error"
    retryable = True


# --- the caller -------------------------------------------------------------------------------------------------


class InvalidRequestError(CallerError):
    """The request's body or parameters do not have the documented form."""

    code = "invalid-request"

    def __init__(self, *, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(
            "The request is not of the documented form: " + "; ".join(self.problems) + ".",
            "The OpenAPI document at /docs shows what each field takes.",
        )


class InvalidRequirementError(CallerError):
    """The requirement is not a plain PEP 508 name with an optional version specifier."""

    code = "invalid-requirement"

    def __init__(self, *, requirement: str, reason: str) -> None:
        self.requirement, self.reason = requirement, reason
        super().__init__(
            f"The requirement {requirement!r} cannot be built: {reason}.",
            "Give a project name with an optional version specifier, such as 'lxml' or 'lxml>=6,<7'.",
        )


class UnknownTargetError(CallerError):
    """No builder of this Wheelyard serves the Python and platform that were asked for."""

    code = "unknown-target"

    def __init__(self, *, python: str, platform: str, known: Sequence[str]) -> None:
        self.python, self.platform, self.known = python, platform, tuple(known)
        super().__init__(
            f"No builder serves Python {python} on {platform}.",
            f"This Wheelyard builds for: {', '.join(self.known) or 'nothing yet'}. GET /v1/targets lists them.",
        )


class UnknownProjectError(CallerError):
    """The upstream index does not know the project."""

    code = "unknown-project"

    def __init__(self, *, project: str) -> None:
        self.project = project
        super().__init__(
            f"The upstream index has no project named {project!r}.",
            "Check the spelling; if the project is on another index, set WHEELYARD_UPSTREAM_INDEX_URL.",
        )


class NoMatchingVersionError(CallerError):
    """The project exists, but no release fits the version specifier and the Python."""

    code = "no-matching-version"

    def __init__(self, *, requirement: str, python: str, newest: Sequence[str], rejected: str = "") -> None:
        self.requirement, self.python, self.newest, self.rejected = requirement, python, tuple(newest), rejected
        shown = f" The newest releases are {', '.join(self.newest)}." if self.newest else ""
        super().__init__(
            f"No release of {requirement!r} fits Python {python}{f' ({rejected})' if rejected else ''}.{shown}",
            "Widen the version specifier; name a pre-release exactly (==) or in the specifier to allow it.",
        )


class NoSdistError(CallerError):
    """The release that fits has no sdist to build from."""

    code = "no-sdist"

    def __init__(self, *, release: str, files: Sequence[str]) -> None:
        self.release, self.files = release, tuple(files)
        super().__init__(
            f"{release} has no sdist on the upstream index, only {', '.join(self.files) or 'no files at all'}.",
            "Wheelyard builds from sdists only: ask for a release that has one.",
        )


class NotFoundError(CallerError):
    """There is no such thing here."""

    code = "not-found"

    def __init__(self, *, kind: str, name: str) -> None:
        self.kind, self.name = kind, name
        super().__init__(f"There is no {kind} {name!r} here.", f"List what there is, and check the {kind}'s name.")


class MethodNotAllowedError(CallerError):
    """The path exists, but not for this HTTP method."""

    code = "method-not-allowed"

    def __init__(self, *, method: str, path: str) -> None:
        self.method, self.path = method, path
        super().__init__(f"{path} does not answer {method}.", "The OpenAPI document at /docs lists what it answers.")


class RequestTooLargeError(CallerError):
    """The request's body is larger than any valid one."""

    code = "request-too-large"

    def __init__(self, *, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        super().__init__(
            f"The request's body has more than {limit_bytes >> 10} KiB.",
            "Send only the documented fields; no valid request is this large.",
        )


class UnauthenticatedError(CallerError):
    """The request carries no valid token."""

    code = "unauthenticated"

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"This request is not authenticated: {reason}.",
            "Send 'Authorization: Bearer TOKEN'; an operator makes a token with 'wheelyard token create'.",
        )


class ServerUnreachableError(CallerError):
    """The command line cannot reach a Wheelyard server."""

    code = "server-unreachable"

    def __init__(self, *, url: str, reason: str) -> None:
        self.url, self.reason = url, reason
        super().__init__(
            f"No Wheelyard answers at {url}: {reason}.",
            "Start one with 'wheelyard up', or say where it is with --url or WHEELYARD_URL.",
        )


# --- a recipe or the catalogue ----------------------------------------------------------------------------------


class RecipeInvalidError(RecipeError):
    """A recipe does not have the documented form."""

    code = "recipe-invalid"

    def __init__(self, *, source: str, problems: Sequence[str]) -> None:
        self.source, self.problems = source, tuple(problems)
        super().__init__(
            f"The recipe {source} cannot be used: " + "; ".join(self.problems) + ".",
            "recipes/README.md lists every key.",
        )


class CatalogueInvalidError(RecipeError):
    """The catalogue of builders does not have the documented form."""

    code = "catalogue-invalid"

    def __init__(self, *, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(
            "The catalogue of builders cannot be used: " + "; ".join(self.problems) + ".",
            "builders/README.md lists every key.",
        )


# --- the project ------------------------------------------------------------------------------------------------


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
            "Build requirements are installed from wheels only. Build the missing one first, or constrain it.",
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


class CratesRefusedError(ProjectError):
    """The crates that a project needs are not ones that can be fetched safely, or there is no such set."""

    code = "crates-refused"

    def __init__(self, *, release: str, reason: str) -> None:
        self.release, self.reason = release, reason
        super().__init__(
            f"The crates of {release} cannot be fetched: {reason}.",
            "Crates come from cargo's own registry, by the checksums in Cargo.lock. A project that needs others can "
            "carry them in its sdist ('cargo vendor').",
        )


class BuildFailedError(ProjectError):
    """The project's build backend ended with an error."""

    code = "build-failed"

    def __init__(self, *, release: str, exit_reason: str, cause: str = "", remedy: str = "") -> None:
        self.release, self.exit_reason, self.cause, self.remedy = release, exit_reason, cause, remedy
        super().__init__(
            f"{release} did not build: {cause or exit_reason}.",
            remedy
            or "The log's last lines show what the backend said; a missing header or library goes into a recipe.",
        )


class BuildTimeoutError(ProjectError):
    """A stage ran longer than its limit."""

    code = "time-limit"

    def __init__(self, *, stage: str, limit_seconds: int) -> None:
        self.stage, self.limit_seconds = stage, limit_seconds
        super().__init__(
            f"The {stage} stage was stopped after its limit of {limit_seconds} seconds.",
            "Raise limits.time in the recipe, or WHEELYARD_LIMIT_TIME_SECONDS.",
        )


class OutOfMemoryError(ProjectError):
    """A stage used more memory than its limit."""

    code = "memory-limit"

    def __init__(self, *, stage: str, limit_bytes: int) -> None:
        self.stage, self.limit_bytes = stage, limit_bytes
        super().__init__(
            f"The {stage} stage was killed at its memory limit of {limit_bytes >> 20} MiB.",
            "Raise limits.memory in the recipe, or WHEELYARD_LIMIT_MEMORY_BYTES.",
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


class VerifyFailedError(ProjectError):
    """The wheel does not work in the bare runtime image."""

    code = "verify-failed"

    def __init__(self, *, wheel: str, problems: Sequence[str]) -> None:
        self.wheel, self.problems = wheel, tuple(problems)
        super().__init__(
            f"{wheel} does not work in the bare runtime image: {'; '.join(self.problems)}.",
            "It was not published. If a module is optional, name the modules to import in the recipe's test.imports.",
        )


class ExtensionMissingError(ProjectError):
    """The wheel lacks extension modules that it must have."""

    code = "extension-missing"

    def __init__(self, *, wheel: str, missing: Sequence[str]) -> None:
        self.wheel, self.missing = wheel, tuple(missing)
        super().__init__(
            f"{wheel} was built without its extension modules {', '.join(self.missing)}.",
            "The build skipped them silently: usually a -dev package is missing from the recipe's apt list.",
        )


class RequirementsUnsatisfiedError(ProjectError):
    """The wheel's own requirements cannot be had as wheels for the target."""

    code = "runtime-requirements"

    def __init__(self, *, wheel: str, reason: str) -> None:
        self.wheel, self.reason = wheel, reason
        super().__init__(
            f"What {wheel} requires cannot be installed beside it: {reason}.",
            "Build the requirement that has no wheel for this target first.",
        )


class WorkerLostError(OperatorError):
    """The worker that ran an attempt went away."""

    code = "worker-lost"

    def __init__(self, *, worker: str) -> None:
        self.worker = worker
        super().__init__(
            f"The worker {worker} went away during this attempt.", "The build is taken over by another attempt."
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


# --- the operator -----------------------------------------------------------------------------------------------


class InternalError(OperatorError):
    """Wheelyard itself is at fault."""

    code = "internal-error"
    retryable = False

    def __init__(self, *, reference: str) -> None:
        self.reference = reference
        super().__init__(
            f"Wheelyard failed in a way that it should not have (reference {reference}).",
            "Look for this reference in the service's log, and report it as a bug of Wheelyard.",
        )


class NotReadyError(OperatorError):
    """This Wheelyard is alive, but something that it needs does not answer."""

    code = "not-ready"

    def __init__(self, *, failing: Mapping[str, str]) -> None:
        self.failing = dict(failing)
        super().__init__(
            "This Wheelyard is not ready: " + "; ".join(f"{name}: {why}" for name, why in self.failing.items()),
            "Mend what is named, or wait if it is just starting; 'wheelyard doctor' checks all of it.",
        )


class EngineUnavailableError(OperatorError):
    """No container engine answers."""

    code = "engine-unavailable"

    def __init__(self, *, engine: str, reason: str) -> None:
        self.engine, self.reason = engine, reason
        super().__init__(
            f"The container engine {engine!r} does not answer: {reason}.",
            "Start it (systemctl start docker), or name another with WHEELYARD_ENGINE; 'wheelyard doctor' checks it.",
        )


class IndexUnavailableError(OperatorError):
    """An index (upstream or our own) does not answer."""

    code = "index-unavailable"

    def __init__(self, *, index: str, reason: str) -> None:
        self.index, self.reason = index, reason
        super().__init__(
            f"The {index} index does not answer: {reason}.", "Nothing was lost: try again when it is back."
        )


class IndexConflictError(OperatorError):
    """Our index already holds other bytes under the same file name."""

    code = "index-conflict"
    retryable = False

    def __init__(self, *, filename: str, held: str, ours: str) -> None:
        self.filename, self.held, self.ours = filename, held, ours
        super().__init__(
            f"The index already holds {filename} with sha256 {held}, and this build made {ours}.",
            "A published file is never replaced: find out who published it, then build with another build number.",
        )


class PublishUnprovenError(OperatorError):
    """The index answered that it took a wheel, but reading it back gives other bytes or none."""

    code = "publish-unproven"

    def __init__(self, *, filename: str, reason: str) -> None:
        self.filename, self.reason = filename, reason
        super().__init__(
            f"{filename} was uploaded, but the index does not give it back: {reason}.",
            "Check the index's disk; the build is tried again.",
        )


class DatabaseUnavailableError(OperatorError):
    """The database does not answer."""

    code = "database-unavailable"

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(f"The database does not answer: {reason}.", "Nothing was lost: try again when it is back.")


class DiskFullError(OperatorError):
    """There is not enough free disk space to go on safely."""

    code = "disk-full"

    def __init__(self, *, path: str, free_bytes: int, floor_bytes: int) -> None:
        self.path, self.free_bytes, self.floor_bytes = path, free_bytes, floor_bytes
        super().__init__(
            f"Only {free_bytes >> 20} MiB are free at {path}, and {floor_bytes >> 20} MiB are kept free.",
            "Free some space, or lower WHEELYARD_DISK_FLOOR_BYTES.",
        )


class DownloadFailedError(OperatorError):
    """A file could not be fetched from any of its addresses."""

    code = "download-failed"

    def __init__(self, *, what: str, tried: Sequence[str]) -> None:
        self.what, self.tried = what, tuple(tried)
        super().__init__(
            f"{what} could not be fetched; tried {'; '.join(self.tried)}.",
            "Check the network, the proxy and the CA bundle with 'wheelyard doctor'.",
        )


class CratesUnavailableError(OperatorError):
    """The registry of crates does not answer."""

    code = "crates-unavailable"

    def __init__(self, *, release: str, reason: str) -> None:
        self.release, self.reason = release, reason
        super().__init__(
            f"The crates of {release} could not be fetched, because their registry does not answer: {reason}.",
            "Containers with a network must reach it: check WHEELYARD_PREFETCH_NETWORK and WHEELYARD_CA_BUNDLE.",
        )


class HashMismatchError(OperatorError):
    """Fetched bytes are not the ones that were promised."""

    code = "hash-mismatch"

    def __init__(self, *, what: str, expected: str, found: str) -> None:
        self.what, self.expected, self.found = what, expected, found
        super().__init__(
            f"{what} has sha256 {found}, but {expected} was promised.",
            "The bytes were thrown away. If this repeats, the mirror or a proxy alters files: do not use it.",
        )


class ImageBuildFailedError(OperatorError):
    """A builder, runtime or environment image could not be built."""

    code = "image-build-failed"

    def __init__(self, *, image: str, excerpt: str) -> None:
        self.image, self.excerpt = image, excerpt
        super().__init__(
            f"The image {image} could not be built: {excerpt}",
            "The previous image, if any, stays in use. 'wheelyard builders build' shows the whole output.",
        )


class ServiceStartError(OperatorError):
    """A service that Wheelyard starts by itself (PostgreSQL, devpi) did not come up."""

    code = "service-start"

    def __init__(self, *, service: str, reason: str, log: Path | None = None) -> None:
        self.service, self.reason, self.log = service, reason, log
        super().__init__(f"{service} did not start: {reason}.", f"Its log is {log}." if log else "")


class AlreadyRunningError(OperatorError):
    """Another Wheelyard uses the same state directory."""

    code = "already-running"
    retryable = False

    def __init__(self, *, state_dir: Path) -> None:
        self.state_dir = state_dir
        super().__init__(
            f"Another Wheelyard is running on {state_dir}.", "Stop it, or give this one its own WHEELYARD_STATE_DIR."
        )


class SettingsInvalidError(OperatorError):
    """A setting has a value that cannot be used."""

    code = "settings-invalid"
    retryable = False

    def __init__(self, *, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(
            "The settings cannot be used: " + "; ".join(self.problems) + ".", "docs/settings.md lists every setting."
        )


class ProgramMissingError(OperatorError):
    """A program that Wheelyard calls is not installed, or may not be run."""

    code = "program-missing"
    retryable = False

    def __init__(self, *, program: str, reason: str) -> None:
        self.program, self.reason = program, reason
        super().__init__(
            f"The program {program!r} cannot be run: {reason}.",
            f"Install it (on Debian: apt-get install {program}); 'wheelyard doctor' lists what is needed.",
        )


class EngineCommandError(OperatorError):
    """The container engine answered a command with an error."""

    code = "engine-command"

    def __init__(self, *, command: Sequence[str], output: str) -> None:
        self.command, self.output = tuple(command), output
        super().__init__(
            f"'{' '.join(self.command)}' failed: {output or 'it said nothing'}",
            "The engine's own log says more; 'wheelyard doctor' checks the engine.",
        )


class IndexRefusedError(OperatorError):
    """Our own index answered that it will not take a wheel."""

    code = "index-refused"
    retryable = False

    def __init__(self, *, filename: str, status: int, reason: str) -> None:
        self.filename, self.status, self.reason = filename, status, reason
        super().__init__(
            f"The index refused {filename} with status {status}: {reason}.",
            "Check WHEELYARD_INDEX_URL, the user and the password, and that this user may upload to the index.",
        )


class SuiteUnsupportedError(RecipeError):
    """The catalogue names an image that others make, and nothing is built in those yet."""

    code = "suite-unsupported"

    def __init__(self, *, suite: str, image: str, package_manager: str) -> None:
        self.suite, self.image, self.package_manager = suite, image, package_manager
        super().__init__(
            f"The suite {suite!r} is the image {image} with {package_manager}, and this Wheelyard only makes its own.",
            "Ask for a platform that one of the suites made here serves; 'wheelyard builders list' has them.",
        )


class SuiteUnavailableError(OperatorError):
    """The package mirror no longer has a suite."""

    code = "suite-unavailable"
    retryable = False

    def __init__(self, *, suite: str, excerpt: str) -> None:
        self.suite, self.excerpt = suite, excerpt
        super().__init__(
            f"The package mirror has no suite {suite!r} any more: {excerpt}",
            "Images that are there stay in use. Old suites move to an archive: set the suite's 'mirror' in the "
            "catalogue, or WHEELYARD_APT_MIRROR.",
        )


class MirrorUnreachableError(OperatorError):
    """The package mirror does not answer."""

    code = "mirror-unreachable"

    def __init__(self, *, suite: str, excerpt: str) -> None:
        self.suite, self.excerpt = suite, excerpt
        super().__init__(
            f"The package mirror of {suite!r} does not answer: {excerpt}",
            "Images that are there stay in use. Check the network and the proxy, or set WHEELYARD_APT_MIRROR.",
        )
