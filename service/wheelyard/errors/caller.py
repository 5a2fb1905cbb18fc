"""Errors that the caller can fix with a different request."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from wheelyard.errors.base import CallerError


class InvalidRequestError(CallerError):
    """The request's body or parameters do not have the documented form."""

    code = "invalid-request"

    def __init__(self, *, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(
            "The request is not valid: " + "; ".join(self.problems) + ".",
            "The OpenAPI document at /docs describes each field.",
        )


class NotVerifiableError(CallerError):
    """What was named cannot be verified at all."""

    code = "not-verifiable"

    def __init__(self, *, target: str, reason: str) -> None:
        self.target, self.reason = target, reason
        super().__init__(
            f"{target} cannot be verified: {reason.rstrip('.')}.",
            "Name a wheel, a folder of wheels, or a lock file with hashes, and the certificate of the authority with "
            "--authority. Take that once from a service that you trust, at /integrity/authority.pem.",
        )


class NotComparableError(CallerError):
    """A wheel has nothing that it could be compared with, or is not there."""

    code = "not-comparable"

    def __init__(self, *, file: str, reason: str) -> None:
        self.file, self.reason = file, reason
        super().__init__(
            f"{file} cannot be compared: {reason.rstrip('.')}.",
            "Name a wheel by its path, or by its file name on the service's index. With --with and --sdist it is "
            "compared with other files than those of the upstream index.",
        )


class NotRebuildableError(CallerError):
    """A wheel cannot be built again from what its provenance records."""

    code = "not-rebuildable"

    def __init__(self, *, file: str, reason: str) -> None:
        self.file, self.reason = file, reason
        super().__init__(
            f"{file} cannot be built again: {reason.rstrip('.')}.",
            "Name a wheel that a Wheelyard built from a release's sdist, by its path with FILE.provenance.json beside "
            "it, or by its file name on the service's index.",
        )


class DependencyFileInvalidError(CallerError):
    """A requirements or lock file cannot be parsed."""

    code = "dependency-file-invalid"

    def __init__(self, *, file: str, problems: Sequence[str], hint: str | None = None) -> None:
        self.file, self.problems = file, tuple(problems)
        super().__init__(
            f"{file} cannot be read: " + "; ".join(self.problems) + ".",
            hint or "Generate it again with its tool, or request plain requirements.",
        )


class DependencyFileMissingError(CallerError):
    """A requirements or lock file, or a file that it names, is missing or cannot be opened."""

    code = "dependency-file-missing"

    def __init__(self, *, file: str, reason: str, named_by: str | None = None) -> None:
        self.file, self.reason, self.named_by = file, reason, named_by
        by = f", which {named_by} names," if named_by else ""
        super().__init__(
            f"{file}{by} cannot be read: {reason}.",
            "Check the path. Paths after -r and -c are relative to the file that names them.",
        )


class SelectionUnknownError(CallerError):
    """The file has no extra or dependency group of this name."""

    code = "selection-unknown"

    def __init__(self, *, file: str, kind: str, name: str, known: Sequence[str]) -> None:
        self.file, self.kind, self.name, self.known = file, kind, name, tuple(known)
        super().__init__(
            f"{file} has no {kind} {name!r}.",
            f"It has: {', '.join(self.known)}." if self.known else f"It has no {kind} at all.",
        )


class RequirementsUnsatisfiableError(CallerError):
    """No set of releases satisfies an application's requirements on a target."""

    code = "requirements-unsatisfiable"

    def __init__(self, *, target: str, reason: str) -> None:
        self.target, self.reason = target, reason
        super().__init__(
            f"No set of releases satisfies the requirements for {target}: {reason}.",
            "Relax a requirement, or request a lock file.",
        )


class RequestCancelledError(CallerError):
    """The request was cancelled before this build started."""

    code = "request-cancelled"

    def __init__(self, *, request: str) -> None:
        self.request = request
        super().__init__(
            f"Request {request} was cancelled, so it starts no more builds.",
            "Make the request again if you still want its wheels.",
        )


class RecipeRefusedError(CallerError):
    """The recipe that the caller sent, or would adopt, cannot be stored."""

    code = "recipe-refused"

    def __init__(self, *, project: str, problems: Sequence[str]) -> None:
        self.project, self.problems = project, tuple(problems)
        super().__init__(
            f"The recipe of {project} is refused: " + "; ".join(self.problems) + ".",
            "recipes/README.md lists every key. The service keeps a recipe's text only: a recipe with patches, hooks "
            "or test files belongs in a folder or a git repository (WHEELYARD_RECIPES).",
        )


class RecipeChangedError(CallerError):
    """The recipe is not the revision that the caller has seen."""

    code = "recipe-changed"

    def __init__(self, *, project: str, expected: int, current: int) -> None:
        self.project, self.expected, self.current = project, expected, current
        now = f"revision {current}" if current else "none"
        super().__init__(
            f"The recipe of {project} in this service is {now}, not {f'revision {expected}' if expected else 'none'}.",
            "Get the present recipe, make the change in it, and send it with its revision.",
        )


class NothingToAdoptError(CallerError):
    """There is no healed build whose recipe could be adopted."""

    code = "nothing-to-adopt"

    def __init__(self, *, project: str, build: str | None = None) -> None:
        self.project, self.build = project, build
        super().__init__(
            f"Build {build} has no recipe of {project} to adopt."
            if build
            else f"No build of {project} has a recipe to adopt.",
            "A build has one if it healed itself: what it added is its recipe.",
        )


class WebhookRefusedError(CallerError):
    """Webhooks may not be sent to this URL."""

    code = "webhook-refused"

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"The webhook is refused: {reason}.",
            "Use a URL that the operator allows (WHEELYARD_WEBHOOK_HOSTS), or leave the webhook out.",
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
    """No builder of this Wheelyard serves the requested Python and platform."""

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
            "Check the spelling. If the project is on another index, set WHEELYARD_UPSTREAM_INDEX_URL.",
        )


class NoMatchingVersionError(CallerError):
    """The project exists, but no release fits the version specifier and the Python."""

    code = "no-matching-version"

    def __init__(self, *, requirement: str, python: str, newest: Sequence[str], rejected: str = "") -> None:
        self.requirement, self.python, self.newest, self.rejected = requirement, python, tuple(newest), rejected
        shown = f" The newest releases are {', '.join(self.newest)}." if self.newest else ""
        super().__init__(
            f"No release of {requirement!r} fits Python {python}{f' ({rejected})' if rejected else ''}.{shown}",
            "Widen the version specifier. To allow a pre-release, name it exactly (==) or in the specifier.",
        )


class NoSdistError(CallerError):
    """The matching release has no sdist to build from."""

    code = "no-sdist"

    def __init__(self, *, release: str, files: Sequence[str]) -> None:
        self.release, self.files = release, tuple(files)
        super().__init__(
            f"{release} has no sdist on the upstream index, only {', '.join(self.files) or 'no files at all'}.",
            "Wheelyard only builds from sdists. Request a release that has one.",
        )


_LISTS: Final = {
    "build": "'wheelyard builds' lists them.",
    "request": "'wheelyard requests' lists them.",
    "campaign": "'wheelyard campaign list' lists them.",
    "token": "'wheelyard token list' lists them.",
    "recipe": "'wheelyard browse recipes' lists them.",
    "own project": "Only a project of which an sdist was uploaded can be given back to upstream.",
    "suite": "'wheelyard builders list' lists them.",
    "image": "'wheelyard builders list' lists them.",
    "page": "Check the address.",
}
"""Where to look up the names of each kind."""


class NotFoundError(CallerError):
    """Nothing of this kind has this name or id."""

    code = "not-found"

    def __init__(self, *, kind: str, name: str, where: str = "here") -> None:
        self.kind, self.name = kind, name
        super().__init__(f"There is no {kind} {name!r} {where}.", _LISTS.get(kind, f"Check the name of the {kind}."))


class MethodNotAllowedError(CallerError):
    """The path does not support this HTTP method."""

    code = "method-not-allowed"

    def __init__(self, *, method: str, path: str, allowed: Sequence[str]) -> None:
        self.method, self.path, self.allowed = method, path, tuple(allowed)
        super().__init__(f"{path} does not support {method}.", f"It supports {', '.join(self.allowed)}.")


class NotAcceptableError(CallerError):
    """The page has none of the media types that the caller accepts."""

    code = "not-acceptable"

    def __init__(self, *, accept: str, offered: Sequence[str]) -> None:
        self.accept, self.offered = accept, tuple(map(str, offered))
        super().__init__(
            f"The page has none of the media types that 'Accept: {accept}' allows.",
            f"It is available as {', '.join(self.offered)}.",
        )


class RequestTooLargeError(CallerError):
    """The request body is larger than any valid one."""

    code = "request-too-large"

    def __init__(self, *, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        super().__init__(
            f"The request body is larger than {limit_bytes >> 10} KiB.",
            "Send only the documented fields. No valid request is this large.",
        )


class UploadRefusedError(CallerError):
    """An uploaded file was audited, repaired as far as possible, and did not pass."""

    code = "upload-refused"

    def __init__(self, *, file: str, build: str | None, failure: str, reason: str, remedy: str) -> None:
        self.file, self.build, self.failure = file, build, failure
        super().__init__(f"{file} is refused ({failure}): {reason}", remedy)


class UploadConflictError(CallerError):
    """Other bytes stand under the file's name already."""

    code = "upload-conflict"

    def __init__(self, *, file: str, held: str, ours: str, why: str) -> None:
        self.file, self.held, self.ours, self.why = file, held, ours, why
        differs = f", with other bytes (sha256 {held[:12]}, not {ours[:12]})" if held != ours else ""
        super().__init__(
            f"{file} already exists{differs}: {why}.",
            "A file name always stands for the same bytes, and a release has one sdist. Upload it as another version, "
            "or a wheel with a build tag.",
        )


class UploadInvalidError(CallerError):
    """An upload does not have the form that is documented, or its form claims what is not true of its file."""

    code = "upload-invalid"

    def __init__(self, *, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(
            "The upload is not valid: " + "; ".join(self.problems) + ".",
            "Send it with 'wheelyard push', twine, 'uv publish' or Poetry; docs/howto/push.md has the commands.",
        )


class UploadUnsupportedError(CallerError):
    """The uploaded file is not of a kind that is accepted."""

    code = "upload-unsupported"

    def __init__(self, *, file: str, kind: str) -> None:
        self.file, self.kind = file, kind
        super().__init__(
            f"{file} is {kind}. Accepted are wheels (.whl) and sdists (.tar.gz, or .zip).",
            "Make an sdist or a wheel with 'python -m build', and upload that.",
        )


class UploadTooLargeError(CallerError):
    """The uploaded file is larger than the operator allows."""

    code = "upload-too-large"

    def __init__(self, *, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        super().__init__(
            f"The uploaded file has more than {limit_bytes >> 20} MiB.",
            "Strip its native files and leave test data out. An operator can raise WHEELYARD_LIMIT_UPLOAD_BYTES.",
        )


class PublishForbiddenError(CallerError):
    """The token is valid, but may not upload files of this project."""

    code = "publish-forbidden"

    def __init__(self, *, project: str, publishes: Sequence[str]) -> None:
        self.project, self.publishes = project, tuple(publishes)
        allowed = f"only of {', '.join(self.publishes)}" if self.publishes else "of no project"
        super().__init__(
            f"The token may not upload files of {project}, {allowed}.",
            "Use a token for that project. An operator creates it with 'wheelyard token create'.",
        )


class UnauthenticatedError(CallerError):
    """The request carries no valid token."""

    code = "unauthenticated"

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"This request is not authenticated: {reason}.",
            "Send 'Authorization: Bearer TOKEN'. An operator creates tokens with 'wheelyard token create'.",
        )


class FileExistsAlreadyError(CallerError):
    """The file that a command would write exists already."""

    code = "file-exists"

    def __init__(self, *, path: Path) -> None:
        self.path = path
        super().__init__(f"{path} already exists.", "Choose another file, or remove this one.")


class ForbiddenError(CallerError):
    """The token is valid, but its scope does not allow this."""

    code = "forbidden"

    def __init__(self, *, needed: str, granted: str) -> None:
        self.needed, self.granted = needed, granted
        options = f"--scope {needed}" + (" --project PROJECT" if needed == "publish" else "")
        super().__init__(
            f"This needs the scope {needed!r}, and the token has {granted!r}.",
            f"Use a token with that scope. Operators create it with 'wheelyard token create NAME {options}'.",
        )


class NotYoursError(CallerError):
    """The token would cancel what other tokens requested."""

    code = "not-yours"

    def __init__(self, *, kind: str, name: str) -> None:
        self.kind, self.name = kind, name
        super().__init__(
            f"The {kind} {name} was requested with other tokens, not with this one.",
            "The tokens that requested it can cancel it, and so can any token with the scope 'operate'.",
        )


class TooManyRequestsError(CallerError):
    """The caller sent more requests than its limit allows."""

    code = "too-many-requests"
    retryable = True

    def __init__(self, *, what: str, per_minute: int, retry_after_seconds: int) -> None:
        self.what, self.per_minute, self.retry_after_seconds = what, per_minute, retry_after_seconds
        super().__init__(
            f"Too many {what}: the limit is {per_minute} per minute.",
            f"Wait {retry_after_seconds} s, as the Retry-After header says.",
        )


class TooMuchOpenError(CallerError):
    """The token has reached its limit of unfinished work."""

    code = "too-much-open"
    retryable = True

    def __init__(
        self, *, what: str, limit: int, setting: str, retry_after_seconds: int = 60, whose: str = "One token"
    ) -> None:
        self.what, self.limit, self.setting, self.retry_after_seconds = what, limit, setting, retry_after_seconds
        super().__init__(
            f"{whose} may have at most {limit} {what} at the same time.",
            f"Wait until some are finished, or cancel some. An operator can raise {setting}.",
        )


class TextsWaitingError(CallerError):
    """A caller's files take so long to read that the next one waited too long."""

    code = "texts-waiting"
    retryable = True

    def __init__(self, *, waited_seconds: float) -> None:
        self.waited_seconds = waited_seconds
        super().__init__(
            f"Other files of yours are still being read, and this one waited {waited_seconds:g} s for its turn.",
            "Send large files one after the other.",
        )


class TooManyConnectionsError(CallerError):
    """All connections that an address may have are in use."""

    code = "too-many-connections"
    retryable = True

    def __init__(self, *, limit: int) -> None:
        self.limit = limit
        super().__init__(
            f"Too many connections: one address may have {limit}.",
            "Close some, or wait. An operator can raise WHEELYARD_CONNECTIONS_PER_ADDRESS. If many callers share a "
            "proxy, WHEELYARD_TRUSTED_PROXIES must name it.",
        )


class OwnProjectError(CallerError):
    """The name is one of the organisation's own, so the upstream index must not provide it."""

    code = "own-project"

    def __init__(self, *, project: str, pattern: str | None) -> None:
        """Set the project, and the operator's pattern that it matches; None if an sdist of it was brought."""
        self.project, self.pattern = project, pattern
        reason = "an sdist of it was brought" if pattern is None else repr(pattern)
        super().__init__(
            f"{project!r} is one of the organisation's own projects ({reason}) and is never taken from upstream.",
            "It may be required if our own index has a compatible wheel of it. Otherwise bring its sdist, or install "
            "it from the index that the organisation publishes it on. WHEELYARD_OWN_PROJECTS lists such names.",
        )


class OwnershipHeldError(CallerError):
    """A project's name cannot be given back to upstream, because something of it would stay beside upstream's files."""

    code = "ownership-held"

    def __init__(self, *, project: str, held_by: Sequence[str]) -> None:
        """Set the project, and what holds its name, as phrases such as ``"the index lists demo-1.0.tar.gz"``."""
        self.project, self.held_by = project, tuple(held_by)
        super().__init__(
            f"{project!r} stays one of the organisation's own projects: {'; '.join(self.held_by)}.",
            "Upstream's files must not come beside yours under one name. Delete what is listed "
            "('wheelyard delete FILE --confirm FILE'), let open builds end or cancel them, and take the name out of "
            "WHEELYARD_OWN_PROJECTS. Then repeat it.",
        )


class GitSourceInvalidError(CallerError):
    """The address, ref or folder of a source in git is not one that can be used."""

    code = "git-source-invalid"

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"This is no usable source in git: {reason}.",
            "Write git+https://HOST/PATH@REF#subdirectory=FOLDER, with 'NAME @ ' before it if needed.",
        )


class GitHostRefusedError(CallerError):
    """The operator does not list the host of a source in git."""

    code = "git-host-refused"

    def __init__(self, *, url: str, entry: str, allowed: Sequence[str]) -> None:
        self.url, self.entry, self.allowed = url, entry, tuple(allowed)
        known = f"allowed are {', '.join(self.allowed)}" if self.allowed else "no host is allowed yet"
        super().__init__(
            f"Nothing is built from {url}: its host is not allowed here; {known}.",
            f'An operator can allow it: WHEELYARD_GIT_HOSTS=["{entry}"], for the API and all workers.',
        )


class FileHostRefusedError(CallerError):
    """The operator does not list the host of a file at an address, or the address is not one that is used."""

    code = "file-host-refused"

    def __init__(self, *, address: str, entry: str = "", reason: str = "", redirected: bool = False) -> None:
        self.address, self.entry, self.reason, self.redirected = address, entry, reason, redirected
        what = f"The redirect to {address}" if redirected else f"The address {address}"
        super().__init__(
            f"{what} is not followed: {reason or 'its host is not allowed here'}.",
            f'An operator can allow it: WHEELYARD_FILE_HOSTS=["{entry}"], for the API and all workers.'
            if entry
            else "Write https://HOST/PATH/FILE#sha256=…, without a user, a password and a query.",
        )


class GitRefUnknownError(CallerError):
    """The repository has no such commit, tag or branch."""

    code = "git-ref-unknown"

    def __init__(self, *, url: str, ref: str, is_short: bool = False) -> None:
        self.url, self.ref, self.is_short = url, ref, is_short
        super().__init__(
            f"{url} has no commit, tag or branch {ref}.",
            "Write all 40 digits of a commit." if is_short else "Check its spelling, and that it was pushed.",
        )


class GitProjectUnknownError(CallerError):
    """The files of a source in git do not say the project's name, which is needed before anything of it is run."""

    code = "git-project-unknown"

    def __init__(self, *, source: str) -> None:
        self.source = source
        super().__init__(
            f"The project's name is not in the pyproject.toml or setup.cfg of {source}.",
            "Write it before the address: 'NAME @ git+https://…'. If the project is in a folder of the repository, "
            "add #subdirectory=FOLDER.",
        )


class LocalSourceInvalidError(CallerError):
    """A folder or file of the caller's disk cannot be sent, or what was sent cannot be built."""

    code = "local-source-invalid"

    def __init__(self, *, source: str, reason: str, remedy: str | None = None) -> None:
        self.source, self.reason = source, reason
        super().__init__(
            f"{source} cannot be built: {reason}.",
            remedy or "Send a project's folder, or an sdist (NAME-VERSION.tar.gz).",
        )


class AmbiguousIdError(CallerError):
    """Several ids start with the given text."""

    code = "ambiguous-id"

    def __init__(self, *, kind: str, beginning: str, ids: Sequence[str]) -> None:
        self.kind, self.beginning, self.ids = kind, beginning, tuple(ids)
        super().__init__(
            f"The ids of several {kind}s start with {beginning}: {', '.join(ids)}.", "Give a longer part of the id."
        )


class ServerUnreachableError(CallerError):
    """The command line cannot reach a Wheelyard server."""

    code = "server-unreachable"

    def __init__(self, *, url: str, reason: str) -> None:
        self.url, self.reason = url, reason
        super().__init__(
            f"No Wheelyard answers at {url}: {reason}.",
            "Start one with 'wheelyard up', or set its URL with --url or WHEELYARD_URL.",
        )
