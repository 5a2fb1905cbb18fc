"""The commands about published wheels, in front of a service that is a function."""

import json

import httpx
import pytest
from tests.unit.cli_harness import client_of
from tests.unit.wheel_harness import WheelHarness

from wheelyard.api.schemas.index import DisownedView, IndexedWheelView
from wheelyard.cli.problem import ExitCode
from wheelyard.cli.wheels import list_wheels, report_check, show_disowned, show_wheel

WHEEL = "demo-1.0-1-py3-none-any.whl"


def wheel_document(**changes: object) -> dict[str, object]:
    document: dict[str, object] = IndexedWheelView.of(WheelHarness().put(WHEEL)).model_dump(mode="json")
    return {**document, **changes}


def yanked_document() -> dict[str, object]:
    return wheel_document(standing="yanked", yanked_at="2026-11-23T12:00:00Z", yanked_reason="broken \x1b[31mred")


@pytest.mark.parametrize(
    ("act", "method", "path"),
    [
        ("yank", "POST", f"/v1/wheels/{WHEEL}/yank"),
        ("unyank", "POST", f"/v1/wheels/{WHEEL}/unyank"),
        ("promote", "POST", f"/v1/wheels/{WHEEL}/promote"),
        ("delete", "DELETE", f"/v1/wheels/{WHEEL}"),
    ],
)
def test_each_act_is_one_request(act: str, method: str, path: str) -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json=wheel_document())

    extra = {"yank": {"reason": "broken"}, "delete": {"confirm": WHEEL}}.get(act, {})
    wheel = getattr(client_of(answer), act)(WHEEL, **extra)

    assert wheel.filename == WHEEL
    assert [(request.method, request.url.path) for request in asked] == [(method, path)]
    if act == "yank":
        assert json.loads(asked[0].content) == {"reason": "broken"}
    if act == "delete":
        assert asked[0].url.params["confirm"] == WHEEL


def test_list_says_what_is_unusual_without_control_sequences(capsys: pytest.CaptureFixture[str]) -> None:
    client = client_of(lambda _: httpx.Response(200, json={"wheels": [yanked_document()], "next": "/v1/wheels?x"}))
    assert list_wheels(client, project=None, standing=None, limit=1, as_json=False) is ExitCode.OK
    captured = capsys.readouterr()
    assert WHEEL in captured.out
    assert "yanked: broken" in captured.out
    assert "\x1b[31m" not in captured.out
    assert "there are more" in captured.err


def test_empty_list_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    client = client_of(lambda _: httpx.Response(200, json={"wheels": [], "next": None}))
    assert list_wheels(client, project="x", standing="yanked", limit=1, as_json=False) is ExitCode.OK
    assert "no wheel matches" in capsys.readouterr().err


def test_wheel_is_shown_for_people_and_programs(capsys: pytest.CaptureFixture[str]) -> None:
    view = IndexedWheelView.model_validate(wheel_document(level="staging"))
    show_wheel(view, as_json=False)
    show_wheel(view, as_json=True)
    people, _, programs = capsys.readouterr().out.partition("\n")
    assert people == f"{WHEEL}: staged"
    assert json.loads(programs)["filename"] == WHEEL


@pytest.mark.parametrize(("mended", "code"), [(True, ExitCode.OK), (False, ExitCode.OPERATOR)])
def test_check_ends_well_only_if_nothing_is_left(
    mended: bool,  # noqa: FBT001
    code: ExitCode,
    capsys: pytest.CaptureFixture[str],
) -> None:
    finding = {"difference": "missing", "filename": WHEEL, "project": "demo", "detail": "no copy", "mended": mended}
    document = {"wheels": 1, "files": 0, "sound": mended, "findings": [finding]}
    report = client_of(lambda _: httpx.Response(200, json=document)).check_index(mend=True)
    assert report_check(report, as_json=False) is code
    captured = capsys.readouterr()
    assert ("repaired" in captured.out, WHEEL in captured.out) == (mended, True)
    assert "1 wheels listed, 0 files on devpi, 1 differences" in captured.err


def test_name_is_given_back_to_upstream_with_what_follows(capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json={"project": "demo", "sdists": ["demo-1.0.tar.gz"]})

    done = client_of(answer).disown("demo", confirm="demo")
    assert done == DisownedView(project="demo", sdists=("demo-1.0.tar.gz",))
    assert [(one.method, one.url.path, one.url.params["confirm"]) for one in asked] == [
        ("DELETE", "/v1/projects/demo/ownership", "demo")
    ]
    assert show_disowned(done, as_json=False) is ExitCode.OK
    assert show_disowned(done, as_json=True) is ExitCode.OK
    people, _, programs = capsys.readouterr().out.partition("{")
    assert "demo: no longer your own" in people
    assert "it was, because of demo-1.0.tar.gz" in people
    assert "the upstream index may be asked for it again" in people
    assert json.loads("{" + programs)["project"] == "demo"
