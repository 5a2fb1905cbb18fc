"""The command line in front of a service that is a function."""

import json
from collections.abc import Callable, Iterable
from datetime import timedelta

import httpx
from tests.contract.samples import BEGINNING, sample_failure, sample_order, sample_wheel

from wheelyard.api.schemas.builds import BuildView
from wheelyard.api.schemas.links import IndexLinks
from wheelyard.cli.client import WheelyardClient
from wheelyard.cli.connection import Connection
from wheelyard.domain.builds.build import Build, Status

BUILD_ID = "308e5031-b22b-43c9-9c3f-d6b54ebf705d"
URL = "http://wheelyard.test"
LINKS = IndexLinks(base=URL, is_open=True)


def client_of(
    answer: Callable[[httpx.Request], httpx.Response],
    *,
    token: str = "wy_secret",  # noqa: S107
    sleep: Callable[[float], None] = lambda _: None,
) -> WheelyardClient:
    transport = httpx.MockTransport(answer)
    return WheelyardClient(Connection(url=URL, token=token), transport=transport, sleep=sleep)


def build_document(status: Status = Status.SUCCEEDED, *, joined: bool | None = None) -> dict[str, object]:
    build = Build(
        id=BUILD_ID,
        order=sample_order(),
        status=status,
        stage=None,
        created_at=BEGINNING,
        started_at=BEGINNING,
        finished_at=BEGINNING + timedelta(seconds=42) if status.is_final else None,
        cancel_requested=False,
        attempts=(),
        failure=sample_failure() if status is Status.FAILED else None,
        wheel=sample_wheel() if status is Status.SUCCEEDED else None,
    )
    document: dict[str, object] = BuildView.of(build, links=LINKS).model_dump(mode="json")
    return document if joined is None else {**document, "joined": joined}


def problem(status: int, code: str, detail: str = "It is so.", hint: str = "Do this.") -> httpx.Response:
    document = {"type": f"urn:wheelyard:error:{code}", "code": code, "detail": detail, "hint": hint, "status": status}
    return httpx.Response(status, json=document, headers={"Content-Type": "application/problem+json"})


def event_answer(events: Iterable[tuple[str, str, dict[str, object]]]) -> httpx.Response:
    """Answer with events, given as (id, name, data), and end the connection after them."""
    datas = ((number, name, json.dumps(data, ensure_ascii=False)) for number, name, data in events)
    written = (f"id: {number}\nevent: {name}\ndata: {data}\n\n" for number, name, data in datas)
    text = "retry: 2000\n\n: still here\n\n" + "".join(written)
    return httpx.Response(200, headers={"Content-Type": "text/event-stream"}, text=text)
