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

from wheelyard.cli.problem import ExitCode, ProblemError
from wheelyard.cli.wheels import push_files
from wheelyard.domain.builds.build import Status
from wheelyard.domain.builds.records import Outcome

NAME = "demo-1.0-py3-none-any.whl"
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
    sdist = tmp_path / "demo-1.0.tar.gz"
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
