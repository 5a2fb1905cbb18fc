"""``wheelyard which``, in front of a service that is a function."""

import json

import httpx
import pytest
from tests.unit.cli_harness import client_of, problem

from wheelyard.cli.packages import show_packages
from wheelyard.cli.problem import ExitCode, ProblemError
from wheelyard.errors import NotFoundError

FOUND = {
    "suite": "bookworm",
    "architecture": "x86_64",
    "kind": "header",
    "name": "fftw3.h",
    "packages": [
        {
            "package": "libfftw3-dev",
            "version": "3.3.10-1",
            "path": "usr/include/fftw3.h",
            "installed_bytes": 5484544,
            "reason": "where tools look by themselves",
        }
    ],
}


class Service:
    """Answers one after the other, the last one for ever."""

    def __init__(self, *answers: httpx.Response) -> None:
        self.answers = list(answers)
        self.urls: list[httpx.URL] = []
        self.pauses: list[float] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.urls.append(request.url)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def show(self, file: str, *, as_json: bool = False, architecture: str | None = None) -> ExitCode:
        client = client_of(self)
        return show_packages(
            client, file, suite="bookworm", architecture=architecture, as_json=as_json, sleep=self.pauses.append
        )


def test_packages_are_printed_with_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    service = Service(httpx.Response(200, json=FOUND))
    assert service.show("fftw3.h") is ExitCode.OK
    (line,) = capsys.readouterr().out.splitlines()[1:]
    assert line.split()[:2] == ["libfftw3-dev", "3.3.10-1"]
    assert "/usr/include/fftw3.h" in line
    assert "where tools look by themselves" in line
    assert str(service.urls[0]).endswith("/v1/suites/bookworm/packages?file=fftw3.h")


def test_json_is_the_services_own(capsys: pytest.CaptureFixture[str]) -> None:
    Service(httpx.Response(200, json=FOUND)).show("fftw3.h", as_json=True, architecture="x86_64")
    assert json.loads(capsys.readouterr().out) == FOUND


def test_file_that_no_package_holds_is_an_error() -> None:
    service = Service(httpx.Response(200, json={**FOUND, "packages": []}))
    with pytest.raises(NotFoundError, match=r"'nothing\.h' in the packages of bookworm for x86_64"):
        service.show("nothing.h")


def test_command_waits_while_a_worker_reads_the_archive(capsys: pytest.CaptureFixture[str]) -> None:
    service = Service(*[problem(404, "archive-not-read")] * 2, httpx.Response(200, json=FOUND))
    assert service.show("fftw3.h") is ExitCode.OK
    assert len(service.pauses) == 2
    assert capsys.readouterr().err.count("a worker reads the suite's package archive") == 1


def test_command_does_not_wait_for_ever() -> None:
    service = Service(problem(404, "archive-not-read"))
    with pytest.raises(ProblemError):
        service.show("fftw3.h")
    assert sum(service.pauses) <= 600


def test_other_problems_are_reported_at_once() -> None:
    service = Service(problem(404, "not-found"))
    with pytest.raises(ProblemError):
        service.show("fftw3.h")
    assert service.pauses == []
