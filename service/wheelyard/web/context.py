"""The context of a page request: session, form and cached answers.

Every form that changes something carries the session's CSRF token. The sign-in form has no session yet, so a sign-in
is refused if the browser's ``Sec-Fetch-Site`` header names another site (https://www.w3.org/TR/fetch-metadata/).
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, TypeVar
from urllib.parse import parse_qsl, quote, urlsplit

from fastapi import Request
from starlette.datastructures import UploadFile

from wheelyard.api.authentication import CSRF_FIELD, session_of
from wheelyard.api.body_limit import MAX_FILES_BYTES
from wheelyard.api.index_access import require_our_name
from wheelyard.api.request_context import address_of, trace_of
from wheelyard.api.services import ApiServices, services_of
from wheelyard.domain.access import Scope
from wheelyard.domain.builds.records import Token
from wheelyard.domain.trace import Trace
from wheelyard.errors import InvalidRequestError, NotFoundError, UnauthenticatedError
from wheelyard.memory_cache import MemoryCache
from wheelyard.usecases.access import ANONYMOUS
from wheelyard.usecases.sessions import Session

_FORM: Final = "application/x-www-form-urlencoded"
_FORM_WITH_FILES: Final = "multipart/form-data"
_MAX_FIELDS: Final = 50
_MAX_FILES: Final = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class Upload:
    """An uploaded file."""

    name: str
    """The name that the browser sent."""
    content: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class _Form:
    """The fields and files of a form."""

    fields: Sequence[tuple[str, str]] = ()
    uploads: tuple[Upload, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class PageContext:
    """The argument of every page function."""

    request: Request
    services: ApiServices
    session: Session | None
    """None for anonymous readers, and on the sign-in page."""
    form: Mapping[str, str] = field(default_factory=dict)
    """The fields of the form, without the CSRF token."""
    chosen_values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """All values of each field; a field can occur several times."""
    uploads: tuple[Upload, ...] = ()
    """The uploaded files."""
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def token(self) -> Token:
        """The token whose scope applies."""
        return self.session.token if self.session else ANONYMOUS

    @property
    def caller(self) -> str:
        """The caller's key for rate limits: token id, else address."""
        return self.session.token.id if self.session else self.address

    @property
    def trace(self) -> Trace:
        """The trace that is stored with every build or request that this page starts."""
        return trace_of(self.request.scope)

    @property
    def address(self) -> str:
        """The client's address."""
        return address_of(self.request)

    def part(self, name: str) -> str:
        """Return a path parameter; raise NotFoundError if it has unprintable characters."""
        text = str(self.request.path_params[name])
        if not text.isprintable():
            raise NotFoundError(kind="page", name=self.request.url.path)
        return text

    def asked(self, name: str, default: str = "") -> str:
        """Return a parameter of the form, else of the query."""
        text = self.form.get(name, self.request.query_params.get(name, default))
        return "".join(filter(str.isprintable, text)).strip()

    def chosen(self, name: str) -> tuple[str, ...]:
        """Return all values of a form field, without duplicates."""
        values = ("".join(filter(str.isprintable, text)).strip() for text in self.chosen_values.get(name, ()))
        return tuple(dict.fromkeys(filter(None, values)))

    def check_csrf(self, given: str | None) -> None:
        """Raise InvalidRequestError unless this is the session's CSRF token, for forms that pages read themselves."""
        if self.session is None:
            raise UnauthenticatedError(reason="there is no session")
        _check_csrf(self.session, given)

    def may(self, scope: str) -> bool:
        """Return whether the token has this scope; buttons are hidden otherwise."""
        return self.token.scope.allows(Scope(scope))

    def values(self) -> dict[str, object]:
        """Return the variables that every template needs."""
        return {
            "context": self,
            "token": self.token if self.session else None,
            "csrf": self.session.csrf_token if self.session else "",
            "csrf_field": CSRF_FIELD,
            "path": self.request.url.path,
            "now": self.now,
        }


async def open_context(request: Request, needed: Scope | None, *, reads_form: bool = True) -> PageContext:
    """Read the session and the form; the page function reads the form itself if ``reads_form`` is false.

    Raise UnauthenticatedError, ForbiddenError or InvalidRequestError.
    """
    services = services_of(request)
    session = await _session(request, services, needed)
    is_sent = request.method == "POST" and reads_form
    sent = await _form(request) if is_sent else _Form()
    form = dict(sent.fields)
    if request.method == "POST":
        _check_origin(request)
    if is_sent:
        given = form.pop(CSRF_FIELD, None)
        if session is not None:
            _check_csrf(session, given)
    chosen = {name: tuple(text for key, text in sent.fields if key == name) for name in form}
    context = PageContext(request=request, services=services, session=session, form=form)
    return replace(context, chosen_values=chosen, uploads=sent.uploads)


async def _session(request: Request, services: ApiServices, needed: Scope | None) -> Session | None:
    if needed is None:
        return None
    try:
        session = await session_of(request, services.sessions, needed=needed)
    except UnauthenticatedError:
        if needed is not Scope.READ:
            raise
        require_our_name(request)
        # Raises the same error unless anonymous reading is allowed.
        await services.access.admit(None, needed=needed, address=address_of(request))
        return None
    services.access.count(session.token)
    return session


async def _form(request: Request) -> _Form:
    kind = request.headers.get("Content-Type", _FORM).partition(";")[0].strip().lower()
    if kind == _FORM_WITH_FILES:
        return await _form_with_files(request)
    if kind != _FORM:
        raise InvalidRequestError(problems=[f"the form must have the media type {_FORM}"])
    try:
        text = (await request.body()).decode()
        return _Form(fields=parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_FIELDS))
    except ValueError as error:
        raise InvalidRequestError(problems=[f"the form cannot be read: {error}"]) from error


async def _form_with_files(request: Request) -> _Form:
    """Read a form with files (RFC 7578); the body limit applies."""
    async with request.form(max_files=_MAX_FILES, max_fields=_MAX_FIELDS, max_part_size=MAX_FILES_BYTES) as form:
        items = form.multi_items()
        fields = [(name, value) for name, value in items if isinstance(value, str)]
        # Browsers send an empty file field as a file without a name (https://github.com/whatwg/html/issues/3658).
        files = [value for _, value in items if isinstance(value, UploadFile) and value.filename]
        uploads = [Upload(name=file.filename or "", content=await file.read()) for file in files]
        return _Form(fields=fields, uploads=tuple(uploads))


def _check_origin(request: Request) -> None:
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
        raise InvalidRequestError(problems=["the form was sent by another site"])


def _check_csrf(session: Session, given: str | None) -> None:
    """Refuse a form of another session, without redirecting to the sign-in page: there is a session."""
    try:
        session.check_csrf(given)
    except UnauthenticatedError as error:
        problem = "the form belongs to another session; go back, reload the page and submit the form again"
        raise InvalidRequestError(problems=[problem]) from error


def sign_in_path(request: Request) -> str:
    """Return the path of the sign-in page, with the page to return to if the request was a GET."""
    back = request.url.path if request.method == "GET" else "/"
    query = f"?{request.url.query}" if request.method == "GET" and request.url.query else ""
    return "/sign-in" if back == "/" and not query else f"/sign-in?next={quote(back + query)}"


def local_path(text: str) -> str:
    """Return a path of this site, or the home page for any other text, to prevent open redirects."""
    parts = urlsplit(text)
    local = text.startswith("/") and not text.startswith("//") and not (parts.scheme or parts.netloc)
    return text if local and "\\" not in text and text.isprintable() else "/"


Answer = TypeVar("Answer")
PAGE_ANSWERS: Final = 400
"""Names of projects are among the names of answers, so they must not become many."""


async def recent_answer(request: Request, name: str, ask: Callable[[], Awaitable[Answer]], *, seconds: float) -> Answer:
    """Return the last answer that the application has under a name, and see to a newer one if it is older than this."""
    cache: MemoryCache[str, Answer] = request.app.state.page_cache
    return await cache.get_latest(name, ask, seconds=seconds)
