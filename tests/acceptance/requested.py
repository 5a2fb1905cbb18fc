"""The wheels that the acceptance tests look at: what was asked, what was answered, and how the build was followed."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import httpx

from tests.acceptance.running_service import BUILD_SECONDS, Document, RunningService

PROJECTS: Final = ("markupsafe", "pyyaml", "idna")
"""A plain C extension; one that grafts a library; a pure one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """A server-sent event (WHATWG HTML, section 9.2)."""

    name: str
    data: str
    id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestedWheel:
    """A wheel that was asked for twice at once, and then waited for."""

    first: httpx.Response
    again: httpx.Response
    events: tuple[Event, ...]
    """What a reader saw who followed the log from the beginning."""
    build: Document
    """The build when it was over."""


def request_wheels(service: RunningService) -> dict[str, RequestedWheel]:
    """Ask for all wheels at once and wait for them."""
    with ThreadPoolExecutor(len(PROJECTS)) as threads:
        wheels = threads.map(lambda project: _request_wheel(service, project), PROJECTS)
        return dict(zip(PROJECTS, wheels, strict=True))


def follow(service: RunningService, build_id: str, *, after: str = "") -> Iterator[Event]:
    """Follow a log until the service says that it is over."""
    headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": after} if after else {})
    path = f"/v1/builds/{build_id}/log"
    with service.http.stream("GET", path, headers=headers, timeout=BUILD_SECONDS) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        fields: dict[str, str] = {}
        for line in response.iter_lines():
            if not line and "event" in fields:
                yield Event(name=fields["event"], data=fields["data"], id=fields.get("id", ""))
            if not line:
                fields = {}
            elif not line.startswith(":"):
                name, _, value = line.partition(":")
                fields[name] = value.removeprefix(" ")


def _request_wheel(service: RunningService, project: str) -> RequestedWheel:
    first, again = (service.http.post("/v1/builds", json={"requirement": project}) for _ in range(2))
    build_id = first.json()["id"]
    events = tuple(follow(service, build_id))
    build = service.finished(build_id)
    assert build["status"] == "succeeded", build["failure"]
    return RequestedWheel(first=first, again=again, events=events, build=build)
