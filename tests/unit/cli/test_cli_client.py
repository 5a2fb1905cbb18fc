"""The client asks what the API documents, says what went wrong, and goes on where a connection dropped."""

import json

import httpx
import pytest
from tests.unit.cli_harness import BUILD_ID, build_document, client_of, event_answer, problem

from wheelyard.api.schemas.builds import BuildSummaryView
from wheelyard.cli.client import Ended, LogPiece, StatusChanged
from wheelyard.cli.listing import list_builds
from wheelyard.cli.problem import ExitCode, ProblemError
from wheelyard.domain.builds.build import Stage, Status
from wheelyard.errors import AmbiguousIdError, NotFoundError, ServerUnreachableError

RUNNING: dict[str, object] = {"status": "running", "stage": "build", "attempt": 1}
END: dict[str, object] = {"status": "succeeded"}


def test_request_carries_token_and_only_what_was_given() -> None:
    seen = list[httpx.Request]()

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(202, json=build_document(Status.QUEUED, joined=False))

    with client_of(answer) as client:
        submitted = client.submit("pyyaml>=6", python="3.13")
    assert submitted.id == BUILD_ID
    assert seen[0].headers["Authorization"] == "Bearer wy_secret"
    assert json.loads(seen[0].content) == {"requirement": "pyyaml>=6", "python": "3.13"}


def test_filters_are_sent_only_if_given() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.query == b"status=failed&limit=5"
        return httpx.Response(200, json={"builds": [], "next": None})

    with client_of(answer) as client:
        assert client.builds(status=Status.FAILED, limit=5).builds == ()


def listing(*ids: str) -> httpx.Response:
    whole = build_document()
    shared = {name: whole[name] for name in BuildSummaryView.model_fields if name in whole}
    facts = shared | {"wheel_filename": None, "failure_code": None, "failure": None, "waits": False}
    return httpx.Response(200, json={"builds": [facts | {"id": one} for one in ids], "next": None})


def test_build_is_found_by_a_unique_beginning_of_its_id() -> None:
    asked = list[bytes]()

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.query)
        return listing(BUILD_ID)

    with client_of(answer) as client:
        assert client.find_build(BUILD_ID[:8]) == BUILD_ID
        assert client.find_build(BUILD_ID) == BUILD_ID
    assert asked == [f"id={BUILD_ID[:8]}&limit=5".encode()]


def test_failed_build_is_listed_with_cause_remedy_id_and_log(capsys: pytest.CaptureFixture[str]) -> None:
    failure = {"stage": "build", "code": "build-failed", "summary": "yaml.h is missing.", "hint": "Add libyaml-dev."}
    whole = build_document(Status.FAILED)
    listed = {name: whole[name] for name in BuildSummaryView.model_fields if name in whole} | {
        "failure_code": "build-failed",
        "failure": failure,
        "wheel_filename": None,
        "waits": False,
    }
    page = {"builds": [listed], "next": None}
    with client_of(lambda _: httpx.Response(200, json=page)) as client:
        list_builds(client, project=None, status=None, limit=20, as_json=False)
    shown = capsys.readouterr().out
    assert shown.startswith(BUILD_ID)
    assert "build-failed: yaml.h is missing." in shown
    assert "hint: Add libyaml-dev." in shown
    assert f"wheelyard logs {BUILD_ID}" in shown


def test_beginning_of_several_ids_is_refused_with_all_of_them() -> None:
    other = f"{BUILD_ID[:8]}-0000-4000-8000-000000000000"
    with client_of(lambda _: listing(BUILD_ID, other)) as client, pytest.raises(AmbiguousIdError, match=other):
        client.find_build(BUILD_ID[:8])


@pytest.mark.parametrize("name", ["pyyaml", "cafe", "abc"])
def test_project_stands_for_its_newest_build_where_that_is_allowed(name: str) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return listing(BUILD_ID) if request.url.query == f"project={name}&limit=1".encode() else listing()

    with client_of(answer) as client:
        assert client.find_build(name, or_project=True) == BUILD_ID
        with pytest.raises(NotFoundError, match=name):
            client.find_build(name)


def test_name_that_cannot_be_is_not_sent() -> None:
    with client_of(lambda _: pytest.fail("asked")) as client, pytest.raises(NotFoundError):
        client.find_build("../tokens", or_project=True)


@pytest.mark.parametrize(
    ("status", "code", "exit_code"),
    [
        (401, "unauthenticated", ExitCode.UNAUTHENTICATED),
        (422, "no-sdist", ExitCode.CALLER),
        (404, "not-found", ExitCode.CALLER),
        (503, "index-unavailable", ExitCode.OPERATOR),
        (500, "recipe-invalid", ExitCode.RECIPE),
        (418, "from-a-newer-service", ExitCode.CALLER),
        (599, "from-a-newer-service", ExitCode.OPERATOR),
    ],
)
def test_problem_keeps_its_words_and_gets_its_exit_code(status: int, code: str, exit_code: ExitCode) -> None:
    with client_of(lambda _: problem(status, code)) as client, pytest.raises(ProblemError) as caught:
        client.build(BUILD_ID)
    shown = caught.value.problem
    assert (shown.code, shown.detail, shown.hint, shown.exit_code) == (code, "It is so.", "Do this.", exit_code)


def test_answer_of_something_else_is_no_traceback() -> None:
    with client_of(lambda _: httpx.Response(502, text="<html>")) as client, pytest.raises(ProblemError) as caught:
        client.build(BUILD_ID)
    assert caught.value.problem.code == "http-502"
    with client_of(lambda _: httpx.Response(200, text="hello")) as client, pytest.raises(ServerUnreachableError):
        client.build(BUILD_ID)


def test_refused_connection_names_address_and_reason() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("Connection refused", request=request)

    with (
        client_of(refuse) as client,
        pytest.raises(ServerUnreachableError, match=r"wheelyard\.test: Connection refused"),
    ):
        client.build(BUILD_ID)


def test_followed_log_is_taken_up_where_the_connection_dropped() -> None:
    asked = list[str | None]()
    answers = [
        event_answer([("1:0", "status", RUNNING), ("1:4", "log", {"text": "one\n"})]),
        event_answer([("1:8", "log", {"text": "two\n"}), ("1:8", "end", END)]),
    ]

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers.get("Last-Event-ID"))
        return answers[len(asked) - 1]

    with client_of(answer) as client:
        events = list(client.follow(BUILD_ID))
    assert events == [
        StatusChanged(status=Status.RUNNING, stage=Stage.BUILD, attempt=1),
        LogPiece(text="one\n"),
        LogPiece(text="two\n"),
        Ended(status=Status.SUCCEEDED),
    ]
    assert asked == [None, "1:4"]


def test_problem_inside_a_stream_is_as_good_as_a_dropped_line() -> None:
    answers = iter(
        [
            event_answer([("1:4", "log", {"text": "one\n"}), ("1:4", "problem", {"code": "database-unavailable"})]),
            event_answer([("1:4", "end", END)]),
        ]
    )
    with client_of(lambda _: next(answers)) as client:
        assert list(client.follow(BUILD_ID)) == [LogPiece(text="one\n"), Ended(status=Status.SUCCEEDED)]


def test_follower_gives_up_after_half_a_minute() -> None:
    pauses = list[float]()

    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("gone", request=request)

    with client_of(refuse, sleep=pauses.append) as client, pytest.raises(ServerUnreachableError):
        list(client.follow(BUILD_ID))
    assert sum(pauses) == 30


def test_unknown_build_is_not_asked_for_again() -> None:
    with client_of(lambda _: problem(404, "not-found")) as client, pytest.raises(ProblemError):
        list(client.follow(BUILD_ID))


def test_log_with_every_kind_of_line_break_arrives_whole() -> None:
    text = "one\u2028two\x85three\x0bfour\r\n"
    with client_of(lambda _: event_answer([("1:4", "log", {"text": text}), ("1:4", "end", END)])) as client:
        assert list(client.follow(BUILD_ID)) == [LogPiece(text=text), Ended(status=Status.SUCCEEDED)]


def test_event_without_an_id_leaves_the_place_where_the_log_is_taken_up() -> None:
    asked = list[str | None]()
    stream = {"Content-Type": "text/event-stream"}
    answers = [
        event_answer([("1:4", "log", {"text": "one\n"})]),
        httpx.Response(200, headers=stream, text='event: log\ndata: {"text":\ndata: "two"}\n\ndata: cut off'),
        event_answer([("1:8", "end", END)]),
    ]

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers.get("Last-Event-ID"))
        return answers[len(asked) - 1]

    with client_of(answer) as client:
        assert [type(event) for event in client.follow(BUILD_ID)] == [LogPiece, LogPiece, Ended]
    assert asked == [None, "1:4", "1:4"]


def test_follower_of_streams_without_events_gives_up_after_half_a_minute() -> None:
    pauses = list[float]()
    with (
        client_of(
            lambda _: event_answer([("", "problem", {"code": "database-unavailable"})]), sleep=pauses.append
        ) as client,
        pytest.raises(ServerUnreachableError),
    ):
        list(client.follow(BUILD_ID))
    assert sum(pauses) == 30


def test_follower_of_what_is_no_event_stream_gives_up_too() -> None:
    pauses = list[float]()
    with (
        client_of(lambda _: httpx.Response(200, text="<html>"), sleep=pauses.append) as client,
        pytest.raises(ServerUnreachableError, match="text/event-stream"),
    ):
        list(client.follow(BUILD_ID))
    assert sum(pauses) == 30
