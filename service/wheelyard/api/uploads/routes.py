"""Routes that take files: the upload API of package indexes (twine, uv, Poetry), and ``/v1/files``."""

from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request, Response

from wheelyard import errors
from wheelyard.api.authentication import AuthenticatedRoute, Caller, bearer_scheme
from wheelyard.api.docs import INVALID_REQUEST, Responses, problems
from wheelyard.api.index_access import Links, bearer_of
from wheelyard.api.problems import Problem, give_reason, problem_response, status_of
from wheelyard.api.request_context import RequestTrace
from wheelyard.api.schemas.files import MOST_TARGETS, FileListView, FilesQuery, FileView, UploadQuery
from wheelyard.api.services import Services
from wheelyard.api.uploads.receive import UploadForm, arriving, receive_body, receive_form
from wheelyard.domain.index.uploads import SdistWheels, Upload, UploadState
from wheelyard.domain.prebuilds.sdists import NamedTargets
from wheelyard.domain.untrusted.json_text import check_storable, read_json
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.errors import ProjectError, UploadInvalidError, WheelyardError
from wheelyard.usecases.uploads.bring_file import UploadClaims

_FIRST_SERVER_ERROR: Final = 500
_REFUSED: Final = 400
_POETRY: Final = "poetry/"
_POETRY_SECONDS: Final = 10.0
"""How long Poetry waits for its answer. It gives up after 15 s without one, and calls it a lost connection
(https://github.com/python-poetry/poetry/blob/main/src/poetry/utils/constants.py)."""
_MOST_ATTESTATION_BYTES: Final = 1 << 20
_FILE: Final = "acme_codec-2.1-cp313-cp313-manylinux_2_28_x86_64.whl"
_PROBLEMS: Final[Responses] = problems(
    errors.UploadInvalidError(problems=["its sha256 is e3b0…, and the form says ba78…"]),
    errors.UploadRefusedError(
        file=_FILE,
        build="0e3c2b1a-5a5e-4a0e-9d62-5f3f5a7a8b11",
        failure="wheel-claims-false",
        reason="acme/codec.abi3.so: it uses PyUnicode_AsUTF8 (abi3-violated)",
        remedy="Define Py_LIMITED_API as the oldest Python of the tag.",
    ),
    errors.UploadUnsupportedError(file="acme_codec-2.1.tar.bz2", kind="an archive of another kind"),
    errors.InvalidSdistError(
        file="acme_codec-2.1.tar.gz", reason="it has no file PKG-INFO in its top folder, and needs one"
    ),
    errors.UnknownTargetError(python="3.8", platform="manylinux_2_36_x86_64", known=["cp313-manylinux_2_36_x86_64"]),
    errors.PublishForbiddenError(project="acme-codec", publishes=["acme-web", "acme-api-*"]),
    errors.UploadConflictError(file=_FILE, held="ba78" * 16, ours="e3b0" * 16, why="the index has it"),
    errors.UploadTooLargeError(limit_bytes=1 << 30),
    errors.InvalidWheelError(file=_FILE, reason="its METADATA names another release than its file name"),
    errors.DiskFullError(path="/var/lib/wheelyard", free_bytes=100 << 20, floor_bytes=1 << 30),
)


class _UploadRoute(AuthenticatedRoute):
    """A route for upload tools: it takes tokens as passwords, and answers with text, which they show."""

    @staticmethod
    def read_credentials(request: Request) -> str | None:
        """Return the token, which these tools send as the password of HTTP Basic."""
        return bearer_of(request.headers.get("Authorization"))

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return a handler that answers every refusal of ours with text."""
        handle = super().get_route_handler()

        async def handle_upload(request: Request) -> Response:
            try:
                return await handle(request)
            except WheelyardError as error:
                return _say(error, request)

        return handle_upload


legacy_router: Final = APIRouter(tags=["files"], route_class=_UploadRoute)
router: Final = APIRouter(
    prefix="/v1/files", tags=["files"], route_class=AuthenticatedRoute, dependencies=[Depends(bearer_scheme)]
)


@legacy_router.post(
    "/legacy/",
    operation_id="upload",
    summary="Upload a wheel or an sdist (twine, uv, Poetry)",
    response_class=Response,
    # Its answers are text, and its protocol is that of upload tools.
    include_in_schema=False,
)
async def upload(request: Request, services: Services, caller: Caller, links: Links, trace: RequestTrace) -> Response:
    """Take a wheel or an sdist as upload tools send it to a package index.

    The token is the password of the user `__token__` (HTTP Basic). The answer is text. A token with the scope `publish`
    may upload the projects that it names. The fields `pythons` and `platforms`, each once or more, limit what an sdist
    is built for.
    """
    uploads = services.uploads
    with uploads.receive(caller.id) as file:
        async with arriving(uploads.receive_seconds):
            form = await receive_form(request, file, limit_bytes=uploads.limit_bytes)
        filename, claims = _read_form(form)
        taken = await uploads.bring(file, filename, claims, by=caller, trace=trace)
    done = await uploads.bring.wait(taken, seconds=_patience_of(request, uploads.wait_seconds))
    return Response(_describe(done, links.base), status_code=_status_of(done), media_type="text/plain")


def _patience_of(request: Request, most_seconds: float) -> float:
    """Return how long the sender waits for the end of its file's test, at most the operator's time."""
    is_poetry = request.headers.get("User-Agent", "").lower().startswith(_POETRY)
    return min(most_seconds, _POETRY_SECONDS) if is_poetry else most_seconds


def _read_form(form: UploadForm) -> tuple[str, UploadClaims]:
    """Return the file's name and what the form claims; raise UploadInvalidError."""
    action, protocol = form.one(":action"), form.one("protocol_version")
    if action not in {None, "file_upload"} or protocol not in {None, "1"}:
        said = f":action={action}, protocol_version={protocol}"
        raise UploadInvalidError(problems=[f"the form says {said[:200]}, and only file_upload of version 1 is known"])
    if form.filename is None:
        raise UploadInvalidError(problems=["the form has no file in its part content"])
    digests = {name: value for name, field in _DIGESTS.items() if (value := form.one(field)) is not None}
    return form.filename, UploadClaims(
        name=form.one("name"),
        version=form.one("version"),
        filetype=form.one("filetype"),
        pyversion=form.one("pyversion"),
        digests=digests,
        targets=NamedTargets(
            pythons=form.several("pythons", most=MOST_TARGETS), platforms=form.several("platforms", most=MOST_TARGETS)
        ),
        attestations=_read_attestations(form.one("attestations")),
    )


_DIGESTS: Final = {"sha256": "sha256_digest", "blake2_256": "blake2_256_digest", "md5": "md5_digest"}


def _read_attestations(text: str | None) -> tuple[Mapping[str, object], ...]:
    """Return the attestations of a form (PEP 740) as they were sent; raise UploadInvalidError."""
    if text is None:
        return ()
    try:
        found = read_json(text, max_bytes=_MOST_ATTESTATION_BYTES)
        check_storable(found)
    except RefusedTextError as error:
        raise UploadInvalidError(problems=[f"its attestations cannot be read: {error}"]) from error
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise UploadInvalidError(problems=["its attestations are no list of objects"])
    return tuple(found)


def _status_of(upload: Upload) -> int:
    return 202 if upload.state is UploadState.PENDING else 200


def _describe(upload: Upload, base: str) -> str:
    """Return what became of an upload, as lines of text."""
    if upload.sdist is not None:
        return "".join(f"{line}\n" for line in _describe_sdist(upload, upload.sdist, base))
    page = f"{base}/builds/{upload.build_id}"
    if upload.state is UploadState.PENDING:
        lines = [f"{upload.filename} is accepted and is being tested. It is listed once it has passed: {page}"]
    elif upload.wheel is None or upload.wheel.filename == upload.filename:
        lines = [f"{upload.filename} is published."]
    else:
        lines = [f"{upload.filename} was repaired, and is published as {upload.wheel.filename}:"]
        lines += upload.wheel.changes
    return "\n".join(lines) + "\n"


def _describe_sdist(upload: Upload, sdist: SdistWheels, base: str) -> Iterator[str]:
    page = f"{base}/requests/{sdist.request_id}"
    if upload.state is UploadState.PENDING:
        yield f"{upload.filename} is accepted, and its wheels are being built. It is listed with the first one: {page}"
        return
    yield f"{upload.filename} is published, with {'this wheel' if len(sdist.wheels) == 1 else 'these wheels'}:"
    yield from sdist.wheels
    if sdist.is_open:
        yield f"More may follow: {page}"


def _say(error: WheelyardError, request: Request) -> Response:
    """Return an error as text: what and why, then what to do, then the page with the audit."""
    problem = Problem.of(error, instance=request.url.path)
    # Upload tools expect 400 for a file that is not accepted. The REST API tells these cases apart.
    status = _REFUSED if isinstance(error, ProjectError) else status_of(error)
    lines = [f"{error.summary} [{error.code}]", error.hint]
    build = getattr(error, "build", None)
    if build is not None:
        lines.append(f"Its audit and log: {str(request.base_url).rstrip('/')}/builds/{build}")
    base = problem_response(problem, headers={})
    headers = {name: value for name, value in base.headers.items() if name not in {"content-length", "content-type"}}
    # Upload tools print it as it is, and it repeats what the sender's form says.
    text = "".join(f"{_printable(line)}\n" for line in lines if line)
    give_reason(request, text)
    return Response(text.encode(errors="replace"), status_code=status, headers=headers, media_type="text/plain")


def _printable(text: str) -> str:
    """Return text without what would act on a terminal; its lines stay."""
    return "".join(one if one.isprintable() or one == "\n" else "\N{REPLACEMENT CHARACTER}" for one in text)


@router.post(
    "",
    operation_id="upload_file",
    summary="Upload a wheel or an sdist",
    response_description="The file is published.",
    responses={
        **_PROBLEMS,
        202: {"model": FileView, "description": "The file is accepted, and is being tested or built."},
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def upload_file(  # noqa: PLR0913, PLR0917  (FastAPI gives each part as an argument)
    about: Annotated[UploadQuery, Query()],
    request: Request,
    services: Services,
    caller: Caller,
    trace: RequestTrace,
    response: Response,
) -> FileView:
    """Take a wheel, whose bytes are the body: audit it, repair it where needed, test it, and publish it.

    The answer waits for the end of the test, for at most a time that the operator sets. The same bytes again are a
    success, other bytes under the same name a conflict. Nothing is listed before it has passed.
    """
    uploads = services.uploads
    uploads.bring.check_name(about.filename, by=caller)
    claims = UploadClaims(digests={"sha256": about.sha256} if about.sha256 else {}, targets=about.targets)
    with uploads.receive(caller.id) as file:
        async with arriving(uploads.receive_seconds):
            await receive_body(request, file, limit_bytes=uploads.limit_bytes)
        taken = await uploads.bring(file, about.filename, claims, by=caller, trace=trace)
    done = await uploads.bring.wait(taken, seconds=uploads.wait_seconds if about.wait else 0)
    response.status_code = _status_of(done)
    return FileView.of(done)


@router.get("", operation_id="list_uploads", summary="List uploaded files", responses=problems(INVALID_REQUEST))
async def list_files(wanted: Annotated[FilesQuery, Query()], services: Services) -> FileListView:
    """List what was uploaded, by whom, and where it stands, newest first. Files that were refused stay listed."""
    page = await services.uploads.store.list_uploads(wanted.as_filter())
    next_path = None if page.next_before is None else f"{router.prefix}?{wanted.query_before(page.next_before)}"
    return FileListView.of(page, next_path=next_path)


@router.get(
    "/{filename}",
    operation_id="get_upload",
    summary="Get an uploaded file",
    responses=problems(errors.NotFoundError(kind="file", name=_FILE)),
)
async def get_file(filename: str, services: Services) -> FileView:
    """Return what became of the file that was uploaded last under a name."""
    return FileView.of(await services.uploads.store.find(filename))
