"""The command that uploads wheels, in front of the real API on stores in memory, or of a function."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from tests.contract.samples import sample_failure, sample_wheel
from tests.unit.cli_harness import client_of, event_answer, problem
from tests.unit.cli_service import Service
from tests.unit.pipeline_harness import make_wheel
from tests.unit.sdist_files import SDIST, pack_sdist

from wheelyard.api.schemas.files import FileView
from wheelyard.api.schemas.requests import RequestView
from wheelyard.api.schemas.wheels import FailureView
from wheelyard.cli.problem import ExitCode, ProblemError
from wheelyard.cli.wheels import push_files
from wheelyard.domain.builds.build import Status
from wheelyard.domain.builds.records import Outcome
from wheelyard.domain.index.uploads import UploadState
from wheelyard.domain.prebuilds.sdists import NamedTargets

NAME = "demo-1.0-py3-none-any.whl"
WHEEL_OF_SDIST = "demo-1.0-1.bookworm-cp313-cp313-manylinux_2_36_x86_64.whl"
PUBLISHED = Outcome(status=Status.SUCCEEDED, wheel=replace(sample_wheel(), filename=NAME, url="https://index/x"))
REPAIRED = Outcome(
    status=Status.SUCCEEDED,
    wheel=replace(
        sample_wheel(),
        filename="demo-1.0-1.bookworm-py3-none-any.whl",
        url="https://index/x",
        changes=("libyaml-0.so.2 was put into it, from libyaml-0-2 0.2.5-1, because it is in no other place.",),
    ),
)
FAILED = Outcome(status=Status.FAILED, failure=sample_failure())


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / NAME
    path.write_bytes(make_wheel(NAME))
    return path


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path / "service")
    yield made
    made.close()


def end(service: Service, outcome: Outcome) -> None:
    upload = service.run(service.harness.api.services.uploads.store.find(NAME))
    claim = service.run(service.harness.api.claim(upload.build_id))
    assert service.run(service.harness.api.attempts.finish(claim, outcome))


def test_file_is_uploaded_and_said_to_be_pending(
    service: Service, wheel: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert push_files(service.client, [wheel], wait=False, as_json=False) is ExitCode.OK
    said = capsys.readouterr()
    assert said.out.startswith(f"{NAME}\n  result   pending\n  log      wheelyard logs ")
    assert "1 file, none refused" in said.err
    upload = service.run(service.harness.api.services.uploads.store.find(NAME))
    assert upload.sha256 == hashlib.sha256(wheel.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("outcome", "says"),
    [
        (PUBLISHED, "  result   published, unchanged\n"),
        (REPAIRED, "    demo-1.0-1.bookworm-py3-none-any.whl\n  change   libyaml-0.so.2 was put into it"),
        (FAILED, "  result   pending\n"),
    ],
    ids=["published", "repaired", "refused, and so tested again"],
)
def test_file_that_was_uploaded_before_is_said_to_be_what_it_is(
    service: Service, wheel: Path, capsys: pytest.CaptureFixture[str], outcome: Outcome, says: str
) -> None:
    push_files(service.client, [wheel], wait=False, as_json=False)
    end(service, outcome)
    capsys.readouterr()
    assert push_files(service.client, [wheel], wait=False, as_json=False) is ExitCode.OK
    said = capsys.readouterr().out
    assert says in said
    assert all(len(line) <= 80 for line in said.splitlines())


def upload_document(service: Service, outcome: Outcome, wheel: Path) -> tuple[dict[str, object], dict[str, object]]:
    """Return what the service says of an upload before and after its build."""
    push_files(service.client, [wheel], wait=False, as_json=True)
    before = service.client.uploaded(NAME).model_dump(mode="json")
    end(service, outcome)
    return before, service.client.uploaded(NAME).model_dump(mode="json")


def waiting(before: dict[str, object], after: dict[str, object]) -> Callable[[httpx.Request], httpx.Response]:
    """Return a service in which an upload's build ends while it is followed."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            assert request.url.params["wait"] == "false"
            return httpx.Response(202, json=before)
        if request.url.path.endswith("/log"):
            return event_answer([("1:0", "end", {"status": "failed" if after["failure"] else "succeeded"})])
        return httpx.Response(200, json=after)

    return answer


def test_refused_file_is_said_with_why_and_what_to_do(
    service: Service, wheel: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    client = client_of(waiting(*upload_document(service, FAILED, wheel)))
    capsys.readouterr()
    assert push_files(client, [wheel], wait=True, as_json=False) is ExitCode.BUILD_FAILED
    said = capsys.readouterr()
    assert f"  result   refused: {sample_failure().code}\n" in said.out
    assert "  why      " in said.out
    assert "  to do    " in said.out
    assert "1 file, 1 refused" in said.err


def test_published_file_is_waited_for(service: Service, wheel: Path, capsys: pytest.CaptureFixture[str]) -> None:
    client = client_of(waiting(*upload_document(service, PUBLISHED, wheel)))
    capsys.readouterr()
    assert push_files(client, [wheel], wait=True, as_json=True) is ExitCode.OK
    (document,) = json.loads(capsys.readouterr().out)
    assert (document["result"], document["upload"]["wheel_filename"], document["error"]) == ("published", NAME, None)


def test_file_that_is_refused_at_once_does_not_stop_the_others(
    service: Service, wheel: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sdist = tmp_path / "demo-1.0.tar.bz2"
    sdist.write_bytes(b"sdist")
    files = [tmp_path / "missing.whl", sdist, wheel]
    assert push_files(service.client, files, wait=False, as_json=True) is ExitCode.CALLER
    missing, unsupported, taken = json.loads(capsys.readouterr().out)
    assert (missing["result"], missing["error"]["code"]) == ("not-uploaded", "not-found")
    assert (unsupported["result"], unsupported["error"]["code"]) == ("not-uploaded", "upload-unsupported")
    assert taken["result"] == "pending"


def test_project_that_the_token_may_not_publish_is_said(wheel: Path, capsys: pytest.CaptureFixture[str]) -> None:
    client = client_of(lambda _: problem(403, "publish-forbidden"))
    assert push_files(client, [wheel], wait=True, as_json=False) is ExitCode.UNAUTHENTICATED
    assert "not uploaded: publish-forbidden" in capsys.readouterr().out


def test_wrong_token_ends_the_command(wheel: Path) -> None:
    client = client_of(lambda _: problem(401, "unauthenticated"))
    with pytest.raises(ProblemError):
        push_files(client, [wheel, wheel], wait=True, as_json=False)


@pytest.fixture
def sdist(tmp_path: Path) -> Path:
    path = tmp_path / SDIST
    path.write_bytes(pack_sdist())
    return path


def test_sdist_is_uploaded_for_the_targets_that_are_named(
    service: Service, wheel: Path, sdist: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    targets = NamedTargets(pythons=("3.13", "3.11"), platforms=("manylinux_2_36_x86_64",))
    files = [sdist, wheel]
    assert push_files(service.client, files, targets=targets, wait=False, as_json=False) is ExitCode.OK
    said = capsys.readouterr()
    upload = service.run(service.harness.api.services.uploads.store.find(SDIST))
    assert f"{SDIST}\n  result   pending\n  request  wheelyard request {upload.sdist.request_id}\n" in said.out
    assert f"{SDIST}: uploaded, request {upload.sdist.request_id}" in said.err
    request = service.run(service.harness.api.services.prebuilds.get(upload.sdist.request_id))
    assert {(one.python, one.platform) for one in request.targets} == {
        ("3.13", "manylinux_2_36_x86_64"),
        ("3.11", "manylinux_2_36_x86_64"),
    }


def sdist_story(service: Service, sdist: Path) -> tuple[FileView, RequestView]:
    """Return what the service says of an sdist and its request, before anything was built."""
    push_files(service.client, [sdist], wait=False, as_json=True)
    upload = service.client.uploaded(SDIST)
    assert upload.request_id is not None
    return upload, service.client.request(upload.request_id)


@pytest.mark.parametrize(
    ("changes", "code", "says"),
    [
        (
            {"state": UploadState.PUBLISHED, "wheels": (WHEEL_OF_SDIST,)},
            ExitCode.OK,
            f"  result   published, with 1 wheel\n    {WHEEL_OF_SDIST}\n  request  wheelyard request ",
        ),
        (
            {"state": UploadState.REFUSED, "failure": FailureView.model_validate(sample_failure())},
            ExitCode.BUILD_FAILED,
            f"  result   refused: {sample_failure().code}\n",
        ),
    ],
    ids=["published", "refused"],
)
def test_wheels_of_an_sdist_are_waited_for_and_then_the_sdist(  # noqa: PLR0913, PLR0917  (parameters and fixtures)
    service: Service,
    sdist: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, object],
    code: ExitCode,
    says: str,
) -> None:
    monkeypatch.setattr("wheelyard.cli.wheels._POLL_SECONDS", 0)
    upload, request = sdist_story(service, sdist)
    after = upload.model_copy(update={**changes, "is_done": True, "open_targets": 0})
    over = request.model_copy(update={"finished_at": request.created_at})
    looks = iter([upload, upload, after])

    def answer(asked: httpx.Request) -> httpx.Response:
        if asked.method == "POST":
            return httpx.Response(202, json=upload.model_dump(mode="json"))
        if asked.url.path.endswith("/events"):
            return event_answer([("1", "update", over.model_dump(mode="json"))])
        return httpx.Response(200, json=next(looks).model_dump(mode="json"))

    capsys.readouterr()
    assert push_files(client_of(answer), [sdist], wait=True, as_json=False) is code
    said = capsys.readouterr()
    assert f"{SDIST}\n{says}" in said.out
    assert next(looks, None) is None, "it was looked for until it was done"


def test_sdist_that_is_published_while_wheels_are_open_says_so(
    service: Service, sdist: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    upload, _ = sdist_story(service, sdist)
    open_one = upload.model_copy(update={"state": UploadState.PUBLISHED, "wheels": (WHEEL_OF_SDIST,)})
    capsys.readouterr()
    client = client_of(lambda _: httpx.Response(200, json=open_one.model_dump(mode="json")))
    assert push_files(client, [sdist], wait=False, as_json=False) is ExitCode.OK
    assert f"  targets  {upload.open_targets} are still open\n" in capsys.readouterr().out
