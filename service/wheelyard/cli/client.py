"""The REST API's client. It is an edge of the program, so httpx is allowed here, and nowhere else in the command line.

Must not print: what cannot be done is raised, as ProblemError if the service said so, else as ServerUnreachableError.
"""

import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, Self, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from wheelyard import __version__
from wheelyard.api.schemas import BuildListView, BuildView, SubmittedBuildView, TargetView
from wheelyard.cli.build_events import EVENTS_BY_NAME, BuildEvent, Ended
from wheelyard.cli.connection import Connection, find_connection
from wheelyard.cli.events import ServerEvent, parse_events
from wheelyard.cli.problem import Problem, ProblemError
from wheelyard.domain.build import Status
from wheelyard.errors import ServerUnreachableError

_TIMEOUT: Final = httpx.Timeout(30, connect=5)
# The service sends a comment every few seconds while nothing happens.
_STREAM_TIMEOUT: Final = httpx.Timeout(60, connect=5)
_RETRY_SECONDS: Final = 1.0
_MAX_RETRIES: Final = 30
_PROBLEM_EVENT: Final = "problem"

View = TypeVar("View", bound=BaseModel)


def open_client(url: str | None) -> "WheelyardClient":
    """Make a client of the service that the command line, the environment or the state directory names."""
    return WheelyardClient(find_connection(url))


class WheelyardClient:
    """Speaks to one service."""

    def __init__(
        self,
        connection: Connection,
        *,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = connection.url
        self._sleep = sleep
        headers = {"User-Agent": f"wheelyard/{__version__}"}
        if connection.token:
            headers["Authorization"] = f"Bearer {connection.token}"
        with self._reaching():
            self._http = httpx.Client(
                base_url=connection.url,
                headers=headers,
                timeout=_TIMEOUT,
                transport=transport,
                verify=ssl.create_default_context(),
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def submit(self, requirement: str, *, python: str | None = None, platform: str | None = None) -> SubmittedBuildView:
        """Ask for a wheel."""
        wanted = {"requirement": requirement, "python": python, "platform": platform}
        body = {name: value for name, value in wanted.items() if value is not None}
        return self._parse(SubmittedBuildView, self._document("POST", "/v1/builds", json=body))

    def build(self, build_id: str) -> BuildView:
        """Read one build."""
        return self._parse(BuildView, self._document("GET", f"/v1/builds/{build_id}"))

    def builds(
        self, *, project: str | None = None, status: Status | None = None, limit: int | None = None
    ) -> BuildListView:
        """List builds, newest first."""
        wanted = {"project": project, "status": status, "limit": limit}
        params = {name: str(value) for name, value in wanted.items() if value is not None}
        return self._parse(BuildListView, self._document("GET", "/v1/builds", params=params))

    def cancel(self, build_id: str) -> BuildView:
        """Ask for a build's end."""
        return self._parse(BuildView, self._document("POST", f"/v1/builds/{build_id}/cancel"))

    def targets(self) -> tuple[TargetView, ...]:
        """List what can be asked for."""
        listed = self._document("GET", "/v1/targets")
        return tuple(self._parse(TargetView, target) for target in (listed if isinstance(listed, list) else [listed]))

    def readiness(self) -> tuple[bool, object]:
        """Tell whether the service can work, and what it says about its parts."""
        with self._reaching():
            response = self._http.get("/readyz")
        return response.is_success, _json_of(response)

    def log(self, build_id: str) -> Iterator[str]:
        """Yield the log as it is now, in pieces."""
        request = self._http.build_request("GET", f"/v1/builds/{build_id}/log", headers={"Accept": "text/plain"})
        with self._reaching(), self._open(request) as response:
            yield from response.iter_text()

    def follow(self, build_id: str) -> Iterator[BuildEvent]:
        """Yield a build's events until its end; a connection that drops is taken up where it was.

        Raises:
            ServerUnreachableError: the service stayed away for half a minute.
        """
        failures, last_id = 0, ""
        while True:
            try:
                for event in self._stream(build_id, last_id):
                    failures, last_id = 0, event.last_id
                    if event.name in EVENTS_BY_NAME:
                        yield (news := self._parse(EVENTS_BY_NAME[event.name], event.data))
                        if isinstance(news, Ended):
                            return
            except ServerUnreachableError:
                if failures >= _MAX_RETRIES:
                    raise
            failures += 1
            self._sleep(_RETRY_SECONDS)

    def _stream(self, build_id: str, last_id: str) -> Iterator[ServerEvent]:
        """Yield the events of one connection; a problem that ends it is as good as a dropped line."""
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last_id} if last_id else {})
        path = f"/v1/builds/{build_id}/log"
        request = self._http.build_request("GET", path, headers=headers, timeout=_STREAM_TIMEOUT)
        with self._reaching(), self._open(request) as response:
            for event in parse_events(response.iter_lines(), last_id=last_id):
                if event.name == _PROBLEM_EVENT:
                    raise ServerUnreachableError(url=self.url, reason=event.data)
                yield event

    @contextmanager
    def _open(self, request: httpx.Request) -> Iterator[httpx.Response]:
        response = self._http.send(request, stream=True)
        try:
            if not response.is_success:
                response.read()
                raise _problem_of(response)
            yield response
        finally:
            response.close()

    def _document(
        self, method: str, path: str, *, params: Mapping[str, str] | None = None, json: object = None
    ) -> object:
        with self._reaching():
            response = self._http.request(method, path, params=params, json=json)
        if not response.is_success:
            raise _problem_of(response)
        return _json_of(response)

    def _parse(self, view: type[View], document: object) -> View:
        """Read a view from JSON, as text or as what it was parsed to."""
        try:
            return view.model_validate_json(document) if isinstance(document, str) else view.model_validate(document)
        except ValidationError as error:
            raise ServerUnreachableError(url=self.url, reason="what answers there is no Wheelyard service") from error

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise ServerUnreachableError(url=self.url, reason=str(error).rstrip(".") or type(error).__name__) from error


def _problem_of(response: httpx.Response) -> ProblemError:
    problem = Problem.of_document(_json_of(response), status=response.status_code, reason=response.reason_phrase)
    return ProblemError(problem)


def _json_of(response: httpx.Response) -> object:
    try:
        return response.json()
    except ValueError:
        return None
