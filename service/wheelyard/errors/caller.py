"""Errors that the caller can fix by asking differently."""

from collections.abc import Sequence
from pathlib import Path

from wheelyard.errors.base import CallerError, ProjectError


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
