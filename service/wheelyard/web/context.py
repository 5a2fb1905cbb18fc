"""One request for a page: who sent it, and its form. Must not know which pages there are.

Every form that changes something carries the session's CSRF token. Signing in cannot, so that is refused if a browser
says that the form is another site's (Fetch Metadata, ``Sec-Fetch-Site``).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, Generic, TypeVar
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
from wheelyard.usecases.access import ANONYMOUS
from wheelyard.usecases.sessions import Session

_FORM: Final = "application/x-www-form-urlencoded"
_FORM_WITH_FILES: Final = "multipart/form-data"
_MAX_FIELDS: Final = 50
_MAX_FILES: Final = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class Upload:
    """A file that a form carries."""

    name: str
    """As the browser gives it."""
    content: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class _Form:
    """What a form carries."""

    fields: Sequence[tuple[str, str]] = ()
    uploads: tuple[Upload, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class PageContext:
    """What a page function is given."""

    request: Request
    services: ApiServices
    session: Session | None
    """None for somebody who needs none: where reading is open, and when signing in."""
    form: Mapping[str, str] = field(default_factory=dict)
    """The fields of the form that was sent, without those that prove where it comes from."""
    chosen_values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """All values of fields that can have several."""
    uploads: tuple[Upload, ...] = ()
    """The files that the form carries."""
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def token(self) -> Token:
        """Whose rights count."""
        return self.session.token if self.session else ANONYMOUS

    @property
    def caller(self) -> str:
        """Say what limits count as the caller."""
        return self.session.token.id if self.session else self.address

    @property
    def trace(self) -> Trace:
        """What is kept with whatever the visitor starts."""
        return trace_of(self.request.scope)

    @property
    def address(self) -> str:
        """Where the request comes from."""
        return address_of(self.request)

    def part(self, name: str) -> str:
        """Give a part of the path; raises NotFoundError for what no name can hold."""
        text = str(self.request.path_params[name])
        if not text.isprintable():
            raise NotFoundError(kind="page", name=self.request.url.path)
        return text

    def asked(self, name: str, default: str = "") -> str:
        """Give a parameter of the query, or of the form."""
        text = self.form.get(name, self.request.query_params.get(name, default))
        return "".join(filter(str.isprintable, text)).strip()

    def chosen(self, name: str) -> tuple[str, ...]:
        """Return all values of a field of the form, each once."""
        values = ("".join(filter(str.isprintable, text)).strip() for text in self.chosen_values.get(name, ()))
        return tuple(dict.fromkeys(filter(None, values)))

    def may(self, scope: str) -> bool:
        """Tell whether a button that needs this scope is worth showing."""
        return self.token.scope.allows(Scope(scope))

    def values(self) -> dict[str, object]:
        """Give what every template needs."""
        return {
            "context": self,
            "token": self.token if self.session else None,
            "csrf": self.session.csrf_token if self.session else "",
            "csrf_field": CSRF_FIELD,
            "path": self.request.url.path,
            "now": self.now,
        }


async def open_context(request: Request, needed: Scope | None) -> PageContext:
    """Find out who asks and read the form; raises UnauthenticatedError, ForbiddenError or InvalidRequestError."""
    services = services_of(request)
    session = await _session(request, services, needed)
    sent = await _form(request) if request.method == "POST" else _Form()
    form = dict(sent.fields)
    if request.method == "POST":
        _check_origin(request)
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
        # Raises the same error unless reading is open to everybody.
        await services.access.admit(None, needed=needed, address=address_of(request))
        return None
    services.access.count(session.token)
    return session


async def _form(request: Request) -> _Form:
    kind = request.headers.get("Content-Type", _FORM).partition(";")[0].strip().lower()
    if kind == _FORM_WITH_FILES:
        return await _form_with_files(request)
    if kind != _FORM:
        raise InvalidRequestError(problems=[f"the form must be sent as {_FORM}"])
    try:
        text = (await request.body()).decode()
        return _Form(fields=parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_FIELDS))
    except ValueError as error:
        raise InvalidRequestError(problems=[f"the form cannot be read: {error}"]) from error


async def _form_with_files(request: Request) -> _Form:
    """Read a form that carries files (RFC 7578); its size is limited as every body's is."""
    async with request.form(max_files=_MAX_FILES, max_fields=_MAX_FIELDS, max_part_size=MAX_FILES_BYTES) as form:
        items = form.multi_items()
        fields = [(name, value) for name, value in items if isinstance(value, str)]
        # A field for files in which nobody chose one is sent as a file without a name.
        files = [value for _, value in items if isinstance(value, UploadFile) and value.filename]
        uploads = [Upload(name=file.filename or "", content=await file.read()) for file in files]
        return _Form(fields=fields, uploads=tuple(uploads))


def _check_origin(request: Request) -> None:
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
        raise InvalidRequestError(problems=["the form was sent by another site"])


def _check_csrf(session: Session, given: str | None) -> None:
    """Refuse a form of another session in a way that does not ask for a new sign-in: there is a session."""
    try:
        session.check_csrf(given)
    except UnauthenticatedError as error:
        problem = "the form is not of this session; go back, load the page again, and send it once more"
        raise InvalidRequestError(problems=[problem]) from error


def sign_in_path(request: Request) -> str:
    """Say where to sign in, and to come back to what was asked for, if that only shows something."""
    back = request.url.path if request.method == "GET" else "/"
    query = f"?{request.url.query}" if request.method == "GET" and request.url.query else ""
    return "/sign-in" if back == "/" and not query else f"/sign-in?next={quote(back + query)}"


def local_path(text: str) -> str:
    """Give a path of this site; anything else becomes the home page, so that nobody is sent elsewhere."""
    parts = urlsplit(text)
    local = text.startswith("/") and not text.startswith("//") and not (parts.scheme or parts.netloc)
    return text if local and "\\" not in text and text.isprintable() else "/"


Answer = TypeVar("Answer")


class CachedAnswer(Generic[Answer]):
    """Asks at most once at a time; gives the last answer while a newer one is on its way."""

    def __init__(
        self, ask: Callable[[], Awaitable[Answer]], *, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ask = ask
        self._seconds = seconds
        self._clock = clock
        self._asking: asyncio.Task[Answer] | None = None
        self._last: tuple[float, Answer] | None = None

    async def get(self) -> Answer:
        """Give the last answer, however old, and see to a newer one; wait only if there is none."""
        if self._is_due():
            self._asking = asyncio.create_task(self._refresh())
            self._asking.add_done_callback(_look_at)
        if self._last is not None:
            return self._last[1]
        assert self._asking is not None  # noqa: S101  it is due as long as there is no answer
        return await asyncio.shield(self._asking)

    def _is_due(self) -> bool:
        if self._asking is not None and not self._asking.done():
            return False
        return self._last is None or self._clock() - self._last[0] > self._seconds

    async def _refresh(self) -> Answer:
        answer = await self._ask()
        self._last = (self._clock(), answer)
        return answer


def _look_at(asked: asyncio.Task[Answer]) -> None:
    """Take note of a failure that nobody waited for: the last answer stays, and the next reader asks again."""
    if not asked.cancelled():
        asked.exception()


_MOST = 400
"""Names of projects are among the names, so they must not become many; the oldest is forgotten first."""


def cache_of(
    request: Request, name: str, ask: Callable[[], Awaitable[Answer]], *, seconds: float
) -> CachedAnswer[Answer]:
    """Give what the application remembers under a name; the first caller says how it is asked."""
    caches: dict[str, CachedAnswer[Answer]] = request.app.state.page_caches
    while len(caches) >= _MOST and name not in caches:
        caches.pop(next(iter(caches)))
    return caches.setdefault(name, CachedAnswer(ask, seconds=seconds))
