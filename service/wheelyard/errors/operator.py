"""Errors that the operator of this Wheelyard can fix."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from wheelyard.errors.base import OperatorError


class AuthorityUnusableError(OperatorError):
    """The authority that issues signing certificates cannot be used."""

    code = "authority-unusable"
    retryable = False

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"The authority that issues signing certificates cannot be used: {reason}.",
            "Check WHEELYARD_AUTHORITY_CERTIFICATE, WHEELYARD_AUTHORITY_KEY and WHEELYARD_AUTHORITY_COMMAND, or, if "
            "none of them is set, the folder 'authority' of the state directory. docs/operate.md has more.",
        )


class SigningUnavailableError(OperatorError):
    """This process has no valid signing certificate, so nothing can be published."""

    code = "signing-unavailable"

    def __init__(self, *, builder: str) -> None:
        self.builder = builder
        super().__init__(
            f"The authority has not issued a signing certificate for {builder}, so the wheel cannot be published.",
            "The build is retried automatically. Check that an API process with the authority's key runs: "
            "its log says why it cannot issue certificates.",
        )


class ContainerLostError(OperatorError):
    """A container was ended from outside while it worked."""

    code = "container-lost"

    def __init__(self, *, stage: str, exit_code: int) -> None:
        self.stage, self.exit_code = stage, exit_code
        super().__init__(
            f"The container of the {stage} stage was ended from outside (exit code {exit_code}); it had memory left.",
            "The build is retried automatically. Check whether the container was removed or the engine restarted.",
        )


class InternalError(OperatorError):
    """Wheelyard itself is at fault."""

    code = "internal-error"
    retryable = False

    def __init__(self, *, reference: str) -> None:
        self.reference = reference
        super().__init__(
            f"Wheelyard failed unexpectedly (reference {reference}).",
            "Find this reference in the service's log, and report it as a bug of Wheelyard.",
        )


class NotReadyError(OperatorError):
    """This Wheelyard is alive, but something that it needs does not answer."""

    code = "not-ready"

    def __init__(self, *, failing: Mapping[str, str]) -> None:
        self.failing = dict(failing)
        super().__init__(
            "This Wheelyard is not ready: " + "; ".join(f"{name}: {why}" for name, why in self.failing.items()),
            "Fix what is named, or wait if it is just starting. 'wheelyard doctor' checks all of it.",
        )


class ParsersBusyError(OperatorError):
    """All processes that read untrusted text are busy."""

    code = "parsers-busy"

    def __init__(self, *, waiting: int) -> None:
        self.waiting = waiting
        super().__init__(
            f"The service is busy reading other files, and {waiting} wait.",
            "Try again in a minute. If it lasts, find in the log whose files take so long.",
        )


class NetworkRefusedError(OperatorError):
    """The recipe asks for a network, but the operator allows builds none."""

    code = "network-refused"
    retryable = False

    def __init__(self, *, release: str) -> None:
        self.release = release
        super().__init__(
            f"The recipe of {release} asks for a network in its build, but this Wheelyard allows builds none.",
            "List the downloads in the recipe's sources, with hashes. Or the operator sets WHEELYARD_RECIPE_NETWORK.",
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
            "Published files are never replaced. Find out who published it, then build with another build number.",
        )


class PublishUnprovenError(OperatorError):
    """The index accepted a wheel, but returns other bytes or none."""

    code = "publish-unproven"

    def __init__(self, *, filename: str, reason: str) -> None:
        self.filename, self.reason = filename, reason
        super().__init__(
            f"{filename} was uploaded, but the index does not return it: {reason}.",
            "Check the index's disk. The build is retried.",
        )


class DatabaseUnavailableError(OperatorError):
    """The database does not answer."""

    code = "database-unavailable"

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(f"The database does not answer: {reason}.", "Nothing was lost: try again when it is back.")


class DiskFullError(OperatorError):
    """There is not enough free disk space to continue safely."""

    code = "disk-full"

    def __init__(self, *, path: str, free_bytes: int | None, floor_bytes: int = 0, quota_of: str = "") -> None:
        """Describe a disk or a quota that is full.

        Args:
            path: Where something could not be written.
            free_bytes: Free space there; None if it is not known.
            floor_bytes: Space that is kept free.
            quota_of: The user whose quota is used up; empty if the disk itself is full.
        """
        self.path, self.free_bytes, self.floor_bytes, self.quota_of = path, free_bytes, floor_bytes, quota_of
        if quota_of:
            free = "" if free_bytes is None else f" The disk itself has {free_bytes >> 20} MiB free."
            super().__init__(
                f"A disk quota is used up at {path}: that of user {quota_of}, of its group, or of the directory.{free}",
                f"Remove what {quota_of} does not need there, or raise the quota: 'quota -u {quota_of}' shows it.",
            )
            return
        floor = f", and {floor_bytes >> 20} MiB are kept free" if floor_bytes else ""
        is_below = free_bytes is not None and free_bytes < floor_bytes
        known = "" if free_bytes is None else f" {free_bytes >> 20} MiB are free for others or in other forms{floor}."
        super().__init__(
            f"Only {(free_bytes or 0) >> 20} MiB are free at {path}{floor}."
            if is_below
            else f"No space is left at {path}.{known if free_bytes else ''}",
            "Free some space, or lower WHEELYARD_DISK_FLOOR_BYTES."
            if is_below
            else "Free some space there. If there is some, check whether inodes are left ('df -i').",
        )


class ResolverBusyError(OperatorError):
    """The service already runs as many resolvers as it may."""

    code = "resolver-busy"

    def __init__(self, *, processes: int, retry_after_seconds: int = 30) -> None:
        self.processes, self.retry_after_seconds = processes, retry_after_seconds
        super().__init__(
            f"The resolver is busy: it runs at most {processes} times at once, and earlier requests use all of them.",
            f"Try again in {retry_after_seconds} s. If the host has room, raise WHEELYARD_RESOLVER_PROCESSES.",
        )


class DownloadFailedError(OperatorError):
    """A file could not be fetched from any of its URLs."""

    code = "download-failed"

    def __init__(self, *, what: str, tried: Sequence[str]) -> None:
        self.what, self.tried = what, tuple(tried)
        super().__init__(
            f"{what} could not be fetched; tried {'; '.join(self.tried)}.",
            "Check the network, the proxy and the CA bundle with 'wheelyard doctor'.",
        )


class SourceUnreachableError(OperatorError):
    """The source of a Python cannot be fetched here, and no worker has its image."""

    code = "source-unreachable"
    retryable = False

    def __init__(self, *, python: str, suite: str, architecture: str, tried: Sequence[str]) -> None:
        self.python, self.suite, self.architecture, self.tried = python, suite, architecture, tuple(tried)
        super().__init__(
            f"The source of Python {python} cannot be reached for {suite} on {architecture}; "
            f"tried {'; '.join(self.tried) or 'no address, because the catalogue names none'}.",
            "Choose a Python that 'wheelyard targets' shows without this code. Or let a worker reach one of these "
            "addresses, or set its WHEELYARD_PYTHON_MIRROR to a mirror of www.python.org/ftp/python. It looks again "
            "every ten minutes.",
        )


class WebhookFailedError(OperatorError):
    """One attempt to send a webhook failed."""

    code = "webhook-failed"

    def __init__(self, *, host: str, reason: str) -> None:
        self.host, self.reason = host, reason
        super().__init__(
            f"The webhook to {host} failed: {reason}.", "It is retried automatically for about twenty minutes."
        )


class CratesUnavailableError(OperatorError):
    """The crate registry does not answer."""

    code = "crates-unavailable"

    def __init__(self, *, release: str, reason: str) -> None:
        self.release, self.reason = release, reason
        super().__init__(
            f"The crates of {release} could not be fetched, because their registry does not answer: {reason}.",
            "Containers with a network must reach it: check WHEELYARD_PREFETCH_NETWORK and WHEELYARD_CA_BUNDLE.",
        )


class RecipesUnavailableError(OperatorError):
    """A recipe repository was never fetched, so its recipes are not known."""

    code = "recipes-unavailable"

    def __init__(self, *, source: str, reason: str) -> None:
        self.source, self.reason = source, reason
        super().__init__(
            f"The recipes of {source} could not be fetched: {reason}.",
            "Nothing is built without them, because one may apply. Check WHEELYARD_RECIPES, and that git can reach it.",
        )


class GitUnavailableError(OperatorError):
    """The host of a source in git does not answer, or does not give the commit."""

    code = "git-unavailable"

    def __init__(self, *, url: str, reason: str) -> None:
        self.url, self.reason = url, reason
        super().__init__(
            f"git could not read {url}: {reason}.",
            "Check the address, and that this host can reach it without a password. Redirects are not followed.",
        )


class HashMismatchError(OperatorError):
    """Fetched bytes do not have the expected hash."""

    code = "hash-mismatch"

    def __init__(self, *, what: str, expected: str, found: str) -> None:
        self.what, self.expected, self.found = what, expected, found
        super().__init__(
            f"{what} has sha256 {found}, but {expected} was expected.",
            "The bytes were discarded. If this repeats, the mirror or a proxy alters files: do not use it.",
        )


class SourcesIncompleteError(OperatorError):
    """The sources of a wheel cannot all be fetched into one archive."""

    code = "sources-incomplete"
    retryable = False

    def __init__(self, *, wheel: str, problems: Sequence[str]) -> None:
        self.wheel, self.problems = wheel, tuple(problems)
        super().__init__(
            f"The sources of {wheel} cannot be fetched: {'; '.join(self.problems[:5])}.",
            f"No archive was written. 'wheelyard sources {wheel}' lists what there is, with addresses and hashes.",
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
    """A service that Wheelyard starts (PostgreSQL, devpi) did not come up."""

    code = "service-start"

    def __init__(self, *, service: str, reason: str, log: Path | None = None) -> None:
        self.service, self.reason, self.log = service, reason, log
        super().__init__(f"{service} did not start: {reason}.", f"Its log is {log}." if log else "")


class BackupUnusableError(OperatorError):
    """A backup cannot be made or restored."""

    code = "backup-unusable"
    retryable = False

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"The backup cannot be used: {reason.rstrip('.')}.",
            "Back up to a folder that does not exist yet; restore into an empty state directory and database.",
        )


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
    """A program that Wheelyard needs is not installed, or may not be run."""

    code = "program-missing"
    retryable = False

    def __init__(self, *, program: str, reason: str) -> None:
        self.program, self.reason = program, reason
        super().__init__(
            f"The program {program!r} cannot be run: {reason}.",
            f"Install it (on Debian: apt-get install {program}); 'wheelyard doctor' lists what is needed.",
        )


class EmulatorMissingError(OperatorError):
    """This host cannot run programs of an architecture that it is to emulate."""

    code = "emulator-missing"
    retryable = False

    def __init__(self, *, architecture: str, reason: str) -> None:
        self.architecture, self.reason = architecture, reason
        super().__init__(
            f"This host does not run programs for {architecture}: {reason}.",
            "As root on Debian: 'apt-get install qemu-user-static binfmt-support'. Where no systemd runs, then also "
            "'mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc' and "
            f"'update-binfmts --enable qemu-{architecture}'. Or use a worker on a host of that architecture.",
        )


class EngineCommandError(OperatorError):
    """The container engine answered a command with an error."""

    code = "engine-command"

    def __init__(self, *, command: Sequence[str], output: str) -> None:
        self.command, self.output = tuple(command), output
        super().__init__(
            f"'{' '.join(self.command)}' failed: {output or 'it printed nothing'}",
            "The engine's own log has more details. 'wheelyard doctor' checks the engine.",
        )


class IndexRefusedError(OperatorError):
    """Our own index refused a wheel."""

    code = "index-refused"
    retryable = False

    def __init__(self, *, filename: str, status: int, reason: str) -> None:
        self.filename, self.status, self.reason = filename, status, reason
        super().__init__(
            f"The index refused {filename} with status {status}: {reason}.",
            "Check WHEELYARD_INDEX_URL, the user and the password, and that this user may upload to the index.",
        )


class SuiteUnavailableError(OperatorError):
    """The package mirror no longer has a suite."""

    code = "suite-unavailable"
    retryable = False

    def __init__(self, *, suite: str, excerpt: str) -> None:
        self.suite, self.excerpt = suite, excerpt
        super().__init__(
            f"The package mirror no longer has the suite {suite!r}: {excerpt}",
            "Existing images stay in use. Old suites move to an archive: set the suite's 'mirror' in the "
            "catalogue, or WHEELYARD_APT_MIRROR.",
        )


class MirrorUnreachableError(OperatorError):
    """The package mirror does not answer."""

    code = "mirror-unreachable"

    def __init__(self, *, suite: str, excerpt: str) -> None:
        self.suite, self.excerpt = suite, excerpt
        super().__init__(
            f"The package mirror of {suite!r} does not answer: {excerpt}",
            "Existing images stay in use. Check the network and the proxy, or set WHEELYARD_APT_MIRROR.",
        )


class ArchiveNotReadError(OperatorError):
    """No worker has read a suite's package archive yet."""

    code = "archive-not-read"

    def __init__(self, *, suite: str, architecture: str) -> None:
        self.suite, self.architecture = suite, architecture
        super().__init__(
            f"No worker has read the package archive of {suite!r} for {architecture} yet.",
            "A worker reads it now: try again in a minute. If it lasts, check that a worker for this suite runs "
            "(wheelyard workers).",
        )


class ArchiveUnreadableError(OperatorError):
    """A suite's package archive does not say what its packages hold."""

    code = "archive-unreadable"
    retryable = False

    def __init__(self, *, suite: str, reason: str) -> None:
        self.suite, self.reason = suite, reason
        super().__init__(
            f"The package archive of {suite!r} does not say which files its packages hold: {reason}.",
            "Use a mirror that has the archive's Contents files (apt) or filelists (dnf): WHEELYARD_APT_MIRROR.",
        )


class ServiceNotInstalledError(OperatorError):
    """A command needs the service, but only the client is installed."""

    code = "service-not-installed"
    retryable = False

    def __init__(self, *, module: str) -> None:
        self.module = module
        super().__init__(
            f"This command needs the service, but only the client is installed: there is no module {module}.",
            "Install the rest with \"pip install 'wheelyard[service]'\".",
        )


class WorkerLostError(OperatorError):
    """The worker that ran an attempt went away."""

    code = "worker-lost"

    def __init__(self, *, worker: str, died: bool = False) -> None:
        self.worker = worker
        self.died = died
        how = " Its process was killed or crashed, but its host kept running." if died else ""
        super().__init__(
            f"The worker {worker} went away during this attempt.{how}", "Another attempt takes the build over."
        )


class WorkerStoppedError(OperatorError):
    """The worker that ran an attempt was stopped, and handed its build back."""

    code = "worker-stopped"

    def __init__(self, *, worker: str) -> None:
        self.worker = worker
        super().__init__(
            f"The worker {worker} was stopped during this attempt.",
            "The build is in the queue again. The attempt does not count.",
        )


class AttemptsExhaustedError(OperatorError):
    """A build lost the workers of all its allowed attempts."""

    code = "attempts-exhausted"
    retryable = False

    def __init__(self, *, attempts: int) -> None:
        self.attempts = attempts
        super().__init__(
            f"The build was given up after {attempts} attempts, because no worker lived to finish one.",
            "Check the workers' logs and run 'wheelyard doctor', then request the wheel again.",
        )


class WorkerKilledError(OperatorError):
    """Several workers died while they ran the same build, so no other worker gets it."""

    code = "worker-killed"
    retryable = False

    def __init__(self, *, workers: Sequence[str]) -> None:
        self.workers = tuple(workers)
        super().__init__(
            f"Workers were killed or crashed while they ran this build: {', '.join(workers)}. Their hosts stayed up.",
            "The cause is not known: the host ran out of memory, this project triggers a bug of Wheelyard, or a "
            "kill -9. Check the hosts' kernel logs (journalctl -k) and the workers' logs at the times of these "
            "attempts. If the build is not to blame, retry it with 'wheelyard retry'.",
        )


class RecordUnreadableError(OperatorError):
    """The stored record of a build or a request cannot be read."""

    code = "record-unreadable"
    retryable = False

    def __init__(self, *, kind: str, name: str, reason: str) -> None:
        self.kind = kind
        self.name = name
        self.reason = reason
        super().__init__(
            f"The stored record of the {kind} {name} cannot be read: {reason}.",
            "An older version accepted what this one refuses, or the database was changed by hand. "
            "Request the wheels again, without what the message names.",
        )
