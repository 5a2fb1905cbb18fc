"""Problem documents (RFC 9457), and the table of HTTP statuses of errors.

``type`` is ``urn:wheelyard:error:<code>``: a name, not a URL, so that it is the same on every Wheelyard and offline.
Each code has a heading in ``docs/errors.md``.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Final, Self

from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, JsonValue

from wheelyard import errors
from wheelyard.errors import WheelyardError

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_SECONDS: Final = 5
REASON_PHRASE: Final = "wheelyard.reason_phrase"
"""The extension of a request's scope that holds the reason phrase of its answer: a list of at most one text."""

STATUSES: Final[Mapping[type[WheelyardError], int]] = {
    WheelyardError: 500,
    # Errors of the caller. Those of the command line never occur here; they have the status of a gateway.
    errors.CallerError: 400,
    errors.InvalidRequestError: 422,
    errors.InvalidRequirementError: 422,
    errors.DependencyFileInvalidError: 422,
    errors.DependencyFileMissingError: 422,
    errors.SelectionUnknownError: 422,
    errors.ResolutionTooLargeError: 422,
    errors.RequirementsUnsatisfiableError: 422,
    errors.RequestCancelledError: 409,
    errors.RecipeRefusedError: 422,
    errors.RecipeChangedError: 409,
    errors.NothingToAdoptError: 404,
    errors.WebhookRefusedError: 422,
    errors.UnknownTargetError: 422,
    errors.UnknownProjectError: 422,
    errors.NoMatchingVersionError: 422,
    errors.NoSdistError: 422,
    errors.NotFoundError: 404,
    errors.MethodNotAllowedError: 405,
    errors.NotAcceptableError: 406,
    errors.RequestTooLargeError: 413,
    errors.UploadRefusedError: 400,
    errors.UploadConflictError: 409,
    errors.OwnershipHeldError: 409,
    errors.UploadInvalidError: 400,
    errors.UploadUnsupportedError: 400,
    errors.UploadTooLargeError: 413,
    errors.PublishForbiddenError: 403,
    errors.UnauthenticatedError: 401,
    errors.FileExistsAlreadyError: 409,
    errors.NotComparableError: 400,
    errors.NotRebuildableError: 400,
    errors.NotVerifiableError: 400,
    errors.ForbiddenError: 403,
    errors.NotYoursError: 403,
    errors.TooManyRequestsError: 429,
    errors.TooMuchOpenError: 429,
    errors.TextsWaitingError: 429,
    errors.TooManyConnectionsError: 429,
    errors.OwnProjectError: 422,
    errors.GitSourceInvalidError: 422,
    errors.FileHostRefusedError: 422,
    errors.GitHostRefusedError: 422,
    errors.GitRefUnknownError: 422,
    errors.GitProjectUnknownError: 422,
    errors.LocalSourceInvalidError: 422,
    errors.AmbiguousIdError: 422,
    errors.ServerUnreachableError: 502,
    # Recipes and the catalogue belong to this server, so the caller cannot fix them.
    errors.RecipeError: 500,
    errors.RecipeInvalidError: 500,
    errors.PatchFailedError: 500,
    errors.HookFailedError: 500,
    errors.SourceUnusableError: 500,
    errors.SourceMismatchError: 500,
    errors.PackagesMissingError: 500,
    errors.PackageUnknownError: 500,
    errors.CatalogueInvalidError: 500,
    errors.SuiteUnsupportedError: 500,
    # Errors of a project are usually data of a build; here the request named something that cannot be built.
    errors.ProjectError: 422,
    errors.InvalidSdistError: 422,
    errors.GitSourceRefusedError: 422,
    errors.BuildRequirementsError: 422,
    errors.WheelsMissingError: 422,
    errors.RequirementBuildFailedError: 422,
    errors.RequirementCycleError: 422,
    errors.RequirementChainError: 422,
    errors.RequirementUnusableError: 422,
    errors.ToolchainTooOldError: 422,
    errors.ReleaseUnsupportedError: 422,
    errors.CratesRefusedError: 422,
    errors.BuildFailedError: 422,
    errors.BuildTimeoutError: 422,
    errors.OutOfMemoryError: 422,
    errors.DiskLimitError: 422,
    errors.ProcessLimitError: 422,
    errors.OpenFilesLimitError: 422,
    errors.OutputLimitError: 422,
    errors.UntrustedOutputError: 422,
    errors.RepairFailedError: 422,
    errors.WheelClaimsFalseError: 422,
    errors.InvalidWheelError: 422,
    errors.NoTargetFitsError: 422,
    errors.SdistNotBuiltError: 422,
    errors.GraftRefusedError: 422,
    errors.LicenseDeniedError: 422,
    errors.PolicyFloorError: 422,
    errors.VerifyFailedError: 422,
    errors.ExtensionMissingError: 422,
    errors.RequirementsUnsatisfiedError: 422,
    # Errors for the operator.
    errors.ArchiveUnreadableError: 502,
    errors.OperatorError: 503,
    errors.WorkerLostError: 503,
    errors.WorkerStoppedError: 503,
    errors.AttemptsExhaustedError: 500,
    errors.WorkerKilledError: 500,
    errors.RecordUnreadableError: 500,
    errors.InternalError: 500,
    errors.ArchiveNotReadError: 503,
    errors.ArchiveUnreadableError: 502,
    errors.NotReadyError: 503,
    errors.ParsersBusyError: 503,
    errors.NetworkRefusedError: 403,
    errors.EngineUnavailableError: 503,
    errors.ContainerLostError: 503,
    errors.AuthorityUnusableError: 500,
    errors.IndexUnavailableError: 503,
    errors.SigningUnavailableError: 503,
    errors.IndexConflictError: 409,
    errors.PublishUnprovenError: 502,
    errors.DatabaseUnavailableError: 503,
    errors.DiskFullError: 507,
    errors.ResolverBusyError: 503,
    errors.DownloadFailedError: 502,
    # Not 503: clients would try again, and the same request has the same answer for a long time.
    errors.SourceUnreachableError: 422,
    errors.WebhookFailedError: 502,
    errors.CratesUnavailableError: 502,
    errors.RecipesUnavailableError: 503,
    errors.GitUnavailableError: 502,
    errors.HashMismatchError: 502,
    errors.SourcesIncompleteError: 503,
    errors.ImageBuildFailedError: 500,
    errors.ServiceNotInstalledError: 500,
    errors.ServiceStartError: 503,
    errors.BackupUnusableError: 500,
    errors.AlreadyRunningError: 500,
    errors.SettingsInvalidError: 500,
    errors.ProgramMissingError: 500,
    errors.EmulatorMissingError: 500,
    errors.EngineCommandError: 500,
    errors.IndexRefusedError: 502,
    errors.SuiteUnavailableError: 502,
    errors.MirrorUnreachableError: 502,
}


class Problem(BaseModel):
    """An error response (RFC 9457)."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    type: str
    """``urn:wheelyard:error:`` and the code."""
    title: str
    """The code in words; the same for all problems of this type."""
    status: int
    """The HTTP status."""
    detail: str
    """What went wrong and why, in one sentence."""
    code: str
    """Stable error code; each has a heading in ``docs/errors.md``."""
    hint: str
    """What to do next; may be empty."""
    retryable: bool
    """True if the same request can succeed later without any change."""
    instance: str | None = None
    """Path of the request."""
    request_id: str | None = None
    """The request's id, as in the header X-Request-ID and in the service's log."""
    context: dict[str, JsonValue]
    """The facts of this error by name; their names depend on the code."""

    @classmethod
    def of(cls, error: WheelyardError, *, instance: str | None = None, request_id: str | None = None) -> Self:
        """Return the problem document of an error."""
        return cls(
            type=f"urn:wheelyard:error:{error.code}",
            title=error.code.replace("-", " ").capitalize(),
            status=status_of(error),
            detail=error.summary,
            code=error.code,
            hint=error.hint,
            retryable=error.retryable,
            instance=instance,
            request_id=request_id,
            context=_context(error),
        )


def status_of(error: WheelyardError) -> int:
    """Return the HTTP status of an error: that of its class, else of the nearest ancestor in the table."""
    return next(STATUSES[ancestor] for ancestor in type(error).__mro__ if ancestor in STATUSES)


def problem_response(problem: Problem, *, headers: Mapping[str, str]) -> Response:
    """Return a problem document with the headers that its status requires.

    A caller's text may contain lone surrogates, which UTF-8 cannot encode, so the JSON is ASCII.
    """
    content = json.dumps(problem.model_dump(exclude_none=True), ensure_ascii=True)
    all_headers = {**_challenge(problem), **retry_headers(problem), **headers}
    return Response(content, status_code=problem.status, media_type=MEDIA_TYPE, headers=all_headers)


def _challenge(problem: Problem) -> dict[str, str]:
    if problem.status != 401:  # noqa: PLR2004  its name says less than the number
        return {}
    # Installers and browsers only support Basic. Without it under /v1, the API's pages open no password dialog.
    basic = "" if (problem.instance or "/v1").startswith("/v1") else 'Basic realm="wheelyard", '
    return {"WWW-Authenticate": f'{basic}Bearer realm="wheelyard"'}


def give_reason(request: Request, text: str) -> None:
    """Have the status line of the answer say more than its status means, if the server can."""
    phrases = request.scope.get("extensions", {}).get(REASON_PHRASE)
    if phrases is not None:
        phrases.append(text)


def retry_headers(problem: Problem) -> dict[str, str]:
    """Return the Retry-After header if a retry can succeed."""
    if not problem.retryable:
        return {}
    return {"Retry-After": str(problem.context.get("retry_after_seconds", RETRY_AFTER_SECONDS))}


def _context(error: WheelyardError) -> dict[str, JsonValue]:
    return {name: _plain(value) for name, value in vars(error).items() if name not in {"summary", "hint"}}


def _plain(value: object) -> JsonValue:
    """Return a field's value as JSON."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Path():
            return str(value)
        case Mapping():
            return {str(name): _plain(one) for name, one in value.items()}
        case list() | tuple():
            return [_plain(one) for one in value]
        case _ if is_dataclass(value) and not isinstance(value, type):
            return _plain(asdict(value))
        case _:
            return repr(value)
