"""Every error that Wheelyard reports, in one tree.

The first level says who can act: the caller, a recipe's author, the project that was built, or the operator. A class
carries a stable ``code``, whether trying again can help, and typed fields; its ``summary`` (what and why) and ``hint``
(what to do next) are built from those fields. HTTP statuses and exit codes are tables at the edges, not here. Each
code has a heading in ``docs/errors.md``.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Final

from wheelyard.domain.builds.network import NetworkCall
from wheelyard.domain.builds.usage import Use

# What cargo says of crates, and of a Cargo.lock, that are newer than itself.
_NEWER_RUST: Final = re.compile(
    r"feature `edition\d{4}` is required|requires rustc \d|does not understand this lock file"
)
_MISSING_LIBRARY: Final = re.compile(r"([\w.+-]{1,200}): cannot open shared object file")
_MISSING_MODULE: Final = re.compile(r"^import \S+: ModuleNotFoundError: No module named '([\w.]{1,200})'")


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

    def __reduce__(self) -> tuple[object, ...]:
        # Constructors take keywords, and parsers in other processes raise these errors, too.
        return _restore_error, (type(self), self.args), self.__dict__


def _restore_error(kind: type[WheelyardError], args: tuple[object, ...]) -> WheelyardError:
    return kind.__new__(kind, *args)


def _mebibytes(size: int) -> str:
    return f"{size / (1 << 20):.1f} MiB"


def _raise_limit(key: str, *, default: str, ceiling: str, at_ceiling: bool) -> str:
    """Say where to raise a limit: a recipe may have more than the default, up to the operator's ceiling."""
    if at_ceiling:
        return f"Raise {ceiling}: the build had all that it allows, whatever the recipe's {key} says."
    return f"Raise {key} in the recipe (at most {ceiling}), or {default} for builds whose recipe has none."


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


class DependencyFileInvalidError(CallerError):
    """A requirements or lock file cannot be read as what it is said to be."""

    code = "dependency-file-invalid"

    def __init__(self, *, file: str, problems: Sequence[str], hint: str | None = None) -> None:
        self.file, self.problems = file, tuple(problems)
        super().__init__(
            f"{file} cannot be read: " + "; ".join(self.problems) + ".",
            hint or "Write it anew with the tool that made it, or give plain requirements.",
        )


class DependencyFileMissingError(CallerError):
    """A requirements or lock file, or one that it names, is not there or cannot be opened."""

    code = "dependency-file-missing"

    def __init__(self, *, file: str, reason: str, named_by: str | None = None) -> None:
        self.file, self.reason, self.named_by = file, reason, named_by
        by = f", which {named_by} names," if named_by else ""
        super().__init__(
            f"{file}{by} cannot be read: {reason}.",
            "Check the path; what a file names with -r or -c is relative to that file.",
        )


class SelectionUnknownError(CallerError):
    """An application has no such extra or dependency group."""

    code = "selection-unknown"

    def __init__(self, *, file: str, kind: str, name: str, known: Sequence[str]) -> None:
        self.file, self.kind, self.name, self.known = file, kind, name, tuple(known)
        super().__init__(
            f"{file} has no {kind} {name!r}.",
            f"It has: {', '.join(self.known)}." if self.known else f"It has no {kind} at all.",
        )


class RequirementsUnsatisfiableError(CallerError):
    """A resolver finds no set of releases that satisfies an application's requirements on a target."""

    code = "requirements-unsatisfiable"

    def __init__(self, *, target: str, reason: str) -> None:
        self.target, self.reason = target, reason
        super().__init__(
            f"No set of releases satisfies the requirements for {target}: {reason}.",
            "Loosen a requirement, or give a lock file.",
        )


class ResolutionTooLargeError(ProjectError):
    """Choosing releases would take more questions to the upstream index than any application needs."""

    code = "resolution-too-large"

    def __init__(self, *, what: str, limit: int) -> None:
        self.what, self.limit = what, limit
        super().__init__(
            f"Choosing releases was given up: {what}, and {limit} are allowed.",
            "Look at what the project requires. A lock file, or tighter requirements, leave less to choose.",
        )


class RequestCancelledError(CallerError):
    """A build was to be started for a request that somebody has cancelled meanwhile."""

    code = "request-cancelled"

    def __init__(self, *, request: str) -> None:
        self.request = request
        super().__init__(
            f"Request {request} was cancelled, so no build is started for it any more.",
            "Make the request again if its wheels are wanted after all.",
        )


class WebhookRefusedError(CallerError):
    """A webhook cannot be sent to its address, whoever asks."""

    code = "webhook-refused"

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"The webhook is refused: {reason}.",
            "Give an address that the operator allows (WHEELYARD_WEBHOOK_HOSTS), or ask for none.",
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

    def __init__(self, *, python: str, platform: str, known: Sequence[str], reason: str = "") -> None:
        self.python, self.platform, self.known, self.reason = python, platform, tuple(known), reason
        because = f": {reason}" if reason else ""
        super().__init__(
            f"No builder serves Python {python} on {platform}{because}.",
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

    def __init__(self, *, kind: str, name: str, where: str = "here") -> None:
        self.kind, self.name = kind, name
        super().__init__(f"There is no {kind} {name!r} {where}.", f"List what there is, and check the {kind}'s name.")


class MethodNotAllowedError(CallerError):
    """The path exists, but not for this HTTP method."""

    code = "method-not-allowed"

    def __init__(self, *, method: str, path: str, allowed: Sequence[str]) -> None:
        self.method, self.path, self.allowed = method, path, tuple(allowed)
        super().__init__(f"{path} does not answer {method}.", f"It answers {', '.join(self.allowed)}.")


class NotAcceptableError(CallerError):
    """The page exists, but in none of the forms that the caller accepts."""

    code = "not-acceptable"

    def __init__(self, *, accept: str, offered: Sequence[str]) -> None:
        self.accept, self.offered = accept, tuple(map(str, offered))
        super().__init__(
            f"The page has none of the forms that 'Accept: {accept}' allows.",
            f"It can be had as {', '.join(self.offered)}.",
        )


class RequestTooLargeError(CallerError):
    """The request's body is larger than any valid one."""

    code = "request-too-large"

    def __init__(self, *, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        super().__init__(
            f"The request's body has more than {limit_bytes >> 10} KiB.",
            "Send only the documented fields; no valid request is this large.",
        )


class UploadRefusedError(CallerError):
    """Somebody tried to upload to our index, as one does to others."""

    code = "upload-refused"

    def __init__(self) -> None:
        super().__init__(
            "This index takes no uploads: every wheel on it was built, repaired and proven here.",
            "Ask for a build instead, with 'wheelyard build NAME' or POST /v1/builds.",
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


class FileExistsAlreadyError(CallerError):
    """The command line was asked to write a file that is there."""

    code = "file-exists"

    def __init__(self, *, path: Path) -> None:
        self.path = path
        super().__init__(f"{path} is there already.", "Name another file, or remove that one.")


class ForbiddenError(CallerError):
    """The token is valid, but does not open this."""

    code = "forbidden"

    def __init__(self, *, needed: str, granted: str) -> None:
        self.needed, self.granted = needed, granted
        super().__init__(
            f"This needs the scope {needed!r}, and the token has {granted!r}.",
            f"Use a token of that scope; an operator makes one with 'wheelyard token create NAME --scope {needed}'.",
        )


class NotYoursError(CallerError):
    """The token's scope would do, but what it asks for concerns others, who asked for it."""

    code = "not-yours"

    def __init__(self, *, kind: str, name: str) -> None:
        self.kind, self.name = kind, name
        super().__init__(
            f"The {kind} {name} was asked for with other tokens, not with this one.",
            "Whoever asked for it can cancel it, and so can any token of the scope 'operate'.",
        )


class TooManyRequestsError(CallerError):
    """More requests came than the limit allows."""

    code = "too-many-requests"
    retryable = True

    def __init__(self, *, what: str, per_minute: int, retry_after_seconds: int) -> None:
        self.what, self.per_minute, self.retry_after_seconds = what, per_minute, retry_after_seconds
        super().__init__(
            f"There were too many {what}; the limit is {per_minute} a minute.",
            f"Wait {retry_after_seconds} s, as the Retry-After header says.",
        )


class TooMuchOpenError(CallerError):
    """A token has as much unfinished work as it may have."""

    code = "too-much-open"
    retryable = True

    def __init__(self, *, what: str, limit: int, setting: str, retry_after_seconds: int = 60) -> None:
        self.what, self.limit, self.setting, self.retry_after_seconds = what, limit, setting, retry_after_seconds
        super().__init__(
            f"That would be more {what} than one token may have at the same time, which is {limit}.",
            f"Wait until some are over, or cancel what nobody needs; an operator raises {setting}.",
        )


class TextsWaitingError(CallerError):
    """A caller's texts take so long to read that its further ones have waited too long for their turn."""

    code = "texts-waiting"
    retryable = True

    def __init__(self, *, waited_seconds: float) -> None:
        self.waited_seconds = waited_seconds
        super().__init__(
            f"Other texts of yours are still being read, and this one has waited {waited_seconds:g} s for its turn.",
            "Send one large file after the other.",
        )


class TooManyConnectionsError(CallerError):
    """An address holds as many connections as the limit allows, and all of them are being answered."""

    code = "too-many-connections"
    retryable = True

    def __init__(self, *, limit: int) -> None:
        self.limit = limit
        super().__init__(
            f"There are too many connections; one address may have {limit}.",
            "Close some, or wait. An operator raises WHEELYARD_CONNECTIONS_PER_ADDRESS, and names a proxy that many "
            "callers come through in WHEELYARD_TRUSTED_PROXIES.",
        )


class OwnProjectError(CallerError):
    """The name is the organisation's own, and the upstream index must not satisfy it."""

    code = "own-project"

    def __init__(self, *, project: str, pattern: str) -> None:
        self.project, self.pattern = project, pattern
        super().__init__(
            f"{project!r} is one of the organisation's own projects ({pattern!r}) and is never taken from upstream.",
            "It may be required where our own index has a wheel of it that fits; else install it from the index that "
            "the organisation publishes it on. WHEELYARD_OWN_PROJECTS lists such names.",
        )


class AmbiguousIdError(CallerError):
    """Several ids begin as the one that was given."""

    code = "ambiguous-id"

    def __init__(self, *, kind: str, beginning: str, ids: Sequence[str]) -> None:
        self.kind, self.beginning, self.ids = kind, beginning, tuple(ids)
        super().__init__(
            f"{beginning} is the beginning of several {kind}s' ids: {', '.join(ids)}.", "Give more of the id."
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
            "Only this project is out of order. recipes/README.md lists every key.",
        )


class PatchFailedError(RecipeError):
    """A patch of the recipe does not apply to the sdist."""

    code = "patch-failed"

    def __init__(self, *, release: str, patch: str, reason: str, hunk: str = "") -> None:
        self.release, self.patch, self.reason, self.hunk = release, patch, reason, hunk
        super().__init__(
            f"The recipe's patch {patch} does not apply to {release}: {reason}." + (f"\n{hunk}\n" if hunk else ""),
            "Make it anew for this release, or restrict its rule to the releases that it fits (when.version).",
        )


class HookFailedError(RecipeError):
    """A script of the recipe ended with an error."""

    code = "hook-failed"

    def __init__(self, *, release: str, hook: str, exit_reason: str) -> None:
        self.release, self.hook, self.exit_reason = release, hook, exit_reason
        super().__init__(
            f"The recipe's hook {hook} failed on {release}: {exit_reason}.",
            "The log's last lines show what it said. It runs in the unpacked sdist, with the build's variables.",
        )


class SourceUnusableError(RecipeError):
    """A prefetched source of the recipe cannot be put where the recipe wants it."""

    code = "source-unusable"

    def __init__(self, *, release: str, to: str, reason: str) -> None:
        self.release, self.to, self.reason = release, to, reason
        super().__init__(
            f"The recipe's source for {to} cannot be placed in {release}: {reason}.",
            "A path with '/' at its end is a folder that an archive is unpacked into; any other is the file's own.",
        )


class SourceMismatchError(RecipeError):
    """A file that the recipe has fetched is not the one that its hash promises."""

    code = "source-mismatch"

    def __init__(self, *, release: str, url: str, expected: str, found: str) -> None:
        self.release, self.url, self.expected, self.found = release, url, expected, found
        super().__init__(
            f"The recipe of {release} has {url} in its sources with sha256 {expected}, and what is there has {found}.",
            "Look at the file, then correct sources.sha256 or sources.url. The bytes were thrown away.",
        )


class PackagesMissingError(RecipeError):
    """The recipe names system packages, and none for the package manager of the builder."""

    code = "packages-missing"

    def __init__(self, *, suite: str, manager: str, others: Sequence[str]) -> None:
        self.suite, self.manager, self.others = suite, manager, tuple(others)
        super().__init__(
            f"The recipe names system packages for {' and '.join(self.others)}, and none for {manager}, which the "
            f"builder of {suite} has.",
            f"Name them in the recipe's {manager} list too. If none are needed there, restrict the rule that names the "
            "others to their suites (when.suite).",
        )


class PackageUnknownError(RecipeError):
    """The recipe names system packages that the builder's suite has not."""

    code = "package-unknown"

    def __init__(self, *, suite: str, packages: Sequence[str], manager: str) -> None:
        self.suite, self.packages, self.manager = suite, tuple(packages), manager
        super().__init__(
            f"{suite} has no package {' and none '.join(self.packages)}, which the recipe's {manager} list names.",
            f"Look up what {suite} calls it. If only other suites have it, restrict the rule that names it to them "
            "(when.suite), or say in a rule for this one why it does not work there (unsupported).",
        )


class CatalogueInvalidError(RecipeError):
    """The catalogue of builders does not have the documented form."""

    code = "catalogue-invalid"

    def __init__(self, *, problems: Sequence[str], source: str = "") -> None:
        self.problems, self.source = tuple(problems), source
        which = f" {source}" if source else ""
        super().__init__(
            f"The catalogue of builders{which} cannot be used: " + "; ".join(self.problems) + ".",
            "builders/README.md lists every key. WHEELYARD_CATALOGUE names an operator's own file.",
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
        use: Use = Use(),  # noqa: B008 - it is frozen
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
        reached = "" if reached_bytes is None else f"; the most it had was {_mebibytes(reached_bytes)}"
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


# --- the operator -----------------------------------------------------------------------------------------------


class ContainerLostError(OperatorError):
    """A container was ended from outside, in the middle of its work."""

    code = "container-lost"

    def __init__(self, *, stage: str, exit_code: int) -> None:
        self.stage, self.exit_code = stage, exit_code
        super().__init__(
            f"The container of the {stage} stage was ended from outside (exit code {exit_code}); it had memory left.",
            "The build is tried again by itself. Look whether somebody removed the container or restarted the engine.",
        )


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


class ParsersBusyError(OperatorError):
    """The processes that read strangers' text are taken by other texts."""

    code = "parsers-busy"

    def __init__(self, *, waiting: int) -> None:
        self.waiting = waiting
        super().__init__(
            f"The service reads other texts, and {waiting} wait.",
            "Try again in a minute. If it lasts, find in the log whose texts take so long.",
        )


class NetworkRefusedError(OperatorError):
    """The recipe asks for a network, and the operator gives builds none."""

    code = "network-refused"
    retryable = False

    def __init__(self, *, release: str) -> None:
        self.release = release
        super().__init__(
            f"The recipe of {release} asks for a network in its build, and this Wheelyard gives builds none.",
            "Let the recipe name what it downloads in sources, by hash; or the operator sets WHEELYARD_RECIPE_NETWORK.",
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

    def __init__(self, *, path: str, free_bytes: int | None, floor_bytes: int = 0, quota_of: str = "") -> None:
        """Take the place, and what is known of it.

        Args:
            path: where something could not be written.
            free_bytes: what is free there; None if nobody knows.
            floor_bytes: what is kept free.
            quota_of: the user whose quota is used up, if it is a quota and not the disk.
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
            else "Free some space there; if there is some, see whether inodes are left ('df -i').",
        )


class ResolverBusyError(OperatorError):
    """As many requirements are being resolved as the service allows at once."""

    code = "resolver-busy"

    def __init__(self, *, processes: int, retry_after_seconds: int = 30) -> None:
        self.processes, self.retry_after_seconds = processes, retry_after_seconds
        super().__init__(
            f"The resolver is busy: it runs at most {processes} times at once, and others were before this request.",
            f"Ask again in {retry_after_seconds} s. If the host has room, raise WHEELYARD_RESOLVER_PROCESSES.",
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


class WebhookFailedError(OperatorError):
    """A webhook did not arrive this time."""

    code = "webhook-failed"

    def __init__(self, *, host: str, reason: str) -> None:
        self.host, self.reason = host, reason
        super().__init__(
            f"The webhook to {host} failed: {reason}.", "It is tried again by itself, for about twenty minutes."
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


class RecipesUnavailableError(OperatorError):
    """A repository of recipes was never fetched, so nobody knows what it says about a project."""

    code = "recipes-unavailable"

    def __init__(self, *, source: str, reason: str) -> None:
        self.source, self.reason = source, reason
        super().__init__(
            f"The recipes of {source} could not be fetched: {reason}.",
            "Nothing is built without them, since they might say how. Check WHEELYARD_RECIPES and that git reaches it.",
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


class BackupUnusableError(OperatorError):
    """A backup cannot be written or put back."""

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
    """The catalogue names an image that others make, without a runtime of ours that could prove its wheels."""

    code = "suite-unsupported"

    def __init__(self, *, suite: str, image: str, package_manager: str) -> None:
        self.suite, self.image, self.package_manager = suite, image, package_manager
        super().__init__(
            f"The suite {suite!r} is the image {image} with {package_manager}, and nothing here proves its wheels.",
            "Name a suite in its key 'runtime', or ask for the platform of another one ('wheelyard builders list').",
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
