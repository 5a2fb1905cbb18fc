"""What may break around a build: each failure is typed and says what to do, and leaves nothing half-done behind."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pypi_simple import PYPI_SIMPLE_ENDPOINT
from tests.acceptance.conftest import StartService
from tests.acceptance.processes import free_port, wait_for
from tests.acceptance.running_service import START_SECONDS, Document, RunningService
from tests.acceptance.upstream import MISSING_HEADER, SLOW, Upstream

_STOPPED_ENGINE = """#!/bin/sh
echo 'Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?' >&2
exit 1
"""
# The engine's client works until a container is to be run, and then finds that nobody serves it any more.
_ENGINE_THAT_STOPS = """#!/bin/sh
if [ "$1" = run ]; then
  echo 'docker: Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?' >&2
  exit 125
fi
exec {engine} "$@"
"""


def test_missing_header_is_named_with_what_to_do(start_spare: StartService, upstream: Upstream) -> None:
    requirement = upstream.add("missingheader", MISSING_HEADER)

    with start_spare() as spare:
        build = _failed(spare, requirement, stage="build")
        command = spare.cli("build", requirement, "--wait")
        files = spare.index_files("missingheader")

    failure = build["failure"]
    assert failure["code"] == "build-failed"
    assert not failure["retryable"]
    assert "the C header nowhere-to-be-found.h is missing" in failure["summary"]
    assert "-dev package" in failure["hint"]
    assert "fatal error: nowhere-to-be-found.h" in failure["log_excerpt"]
    assert files == []
    assert command.returncode == 1, "exit code of a build that failed"
    assert "nowhere-to-be-found.h" in command.stdout + command.stderr


def test_pyyaml_without_its_library_is_refused_for_the_extension_that_it_lost(
    start_spare: StartService, tmp_path: Path
) -> None:
    (tmp_path / "pyyaml.toml").write_text('schema = 1\nname = "pyyaml"\n')
    settings = {"UPSTREAM_INDEX_URL": PYPI_SIMPLE_ENDPOINT, "RECIPES": json.dumps([str(tmp_path)]), "HEAL": "off"}

    with start_spare(**settings) as spare:
        build = _failed(spare, "pyyaml", stage="repair")

    assert build["failure"]["code"] == "extension-missing"
    assert "built without its extension modules yaml._yaml" in build["failure"]["summary"]
    assert "the recipe's apt list lacks a -dev package" in build["failure"]["hint"]


def test_upstream_index_that_is_down_is_told_at_once(start_spare: StartService) -> None:
    with start_spare(UPSTREAM_INDEX_URL=f"http://127.0.0.1:{free_port()}/simple/") as spare:
        response = spare.http.post("/v1/builds", json={"requirement": "markupsafe"})
        listed = spare.http.get("/v1/builds", params={"project": "markupsafe"}).json()

    assert (response.status_code, response.json()["code"]) == (503, "index-unavailable")
    assert response.json()["retryable"]
    assert int(response.headers["retry-after"]) > 0
    assert listed["builds"] == []


def test_engine_that_is_down_fails_the_build_and_is_told_by_readyz(
    start_spare: StartService, upstream: Upstream, tmp_path: Path
) -> None:
    engine = _write_program(tmp_path / "docker", _STOPPED_ENGINE)

    with start_spare(ENGINE=str(engine), MAX_ATTEMPTS="1") as spare:
        build = _failed(spare, upstream.add("enginedown"), stage="prepare")
        ready = spare.http.get("/readyz")
        status = spare.cli("status")

    assert (build["failure"]["code"], build["failure"]["retryable"]) == ("engine-unavailable", True)
    assert ready.status_code == 503
    assert set(ready.json()["context"]["failing"]) == {"engine"}
    assert "does not answer: Cannot connect to the Docker daemon" in ready.json()["detail"]
    assert status.returncode == 4, "exit code of a service that is not ready"


def test_engine_that_stops_in_the_middle_is_not_blamed_on_the_project(
    start_spare: StartService, upstream: Upstream, service: RunningService, tmp_path: Path
) -> None:
    script = _ENGINE_THAT_STOPS.format(engine=service.engine)
    engine = _write_program(tmp_path / "docker", script)

    with start_spare(ENGINE=str(engine), MAX_ATTEMPTS="1") as spare:
        build = _failed(spare, upstream.add("enginestops"), stage="build")

    assert (build["failure"]["code"], build["failure"]["retryable"]) == ("engine-unavailable", True)


def test_own_index_that_is_down_fails_the_build_which_works_when_it_can_be_started_again(
    start_spare: StartService, upstream: Upstream
) -> None:
    requirement = upstream.add("indexdown", SLOW)

    with start_spare(MAX_ATTEMPTS="1") as spare:
        build_id = spare.submit(requirement)["id"]
        spare.in_stage(build_id, "build", saying="tick 1")
        with _put_away(spare.state_dir / "devpi" / "data"):
            spare.child("devpi_server").send(signal.SIGKILL)
            build = _failed(spare, requirement, stage="publish")
            ready = spare.http.get("/readyz").json()
        _until_ready(spare)
        again = spare.finished(spare.submit(requirement)["id"])
        files = spare.index_files("indexdown")

    assert (build["id"], build["failure"]["code"]) == (build_id, "index-unavailable")
    assert build["failure"]["retryable"]
    assert set(ready["context"]["failing"]) == {"index"}
    assert (again["status"], again["id"] != build_id) == ("succeeded", True)
    assert [file["filename"] for file in files] == [again["wheel"]["filename"]]


def test_disk_that_is_full_fails_the_build(start_spare: StartService, upstream: Upstream) -> None:
    with start_spare(DISK_FLOOR_BYTES=str(1 << 60), MAX_ATTEMPTS="1") as spare:
        build = _failed(spare, upstream.add("diskfull"), stage="fetch")

    assert (build["failure"]["code"], build["failure"]["retryable"]) == ("disk-full", True)
    assert "WHEELYARD_DISK_FLOOR_BYTES" in build["failure"]["hint"]


def test_database_that_goes_away_is_told_and_the_service_still_ends_in_order(start_spare: StartService) -> None:
    with start_spare() as spare, _put_away(spare.state_dir / "postgres"):
        spare.child("postgres -D").send(signal.SIGKILL)
        # What is ready is asked once a second, however often somebody wants to know.
        wait_for("the news", lambda: not spare.http.get("/readyz").is_success, seconds=10)
        alive, ready = spare.http.get("/healthz"), spare.http.get("/readyz")
        listed = spare.http.get("/v1/builds")
        spare.stop()

    assert (alive.status_code, ready.status_code) == (200, 503)
    assert "database" in ready.json()["context"]["failing"]
    assert (listed.status_code, listed.json()["code"]) == (503, "database-unavailable")


@pytest.mark.parametrize(("server", "project"), [("postgres -D", "afterpostgres"), ("devpi_server", "afterdevpi")])
def test_server_that_dies_is_started_again(
    start_spare: StartService, upstream: Upstream, server: str, project: str
) -> None:
    with start_spare() as spare:
        killed = spare.child(server)
        killed.send(signal.SIGKILL)
        wait_for("its end", lambda: not killed.is_alive(), seconds=10)
        _until_ready(spare)
        built = spare.finished(spare.submit(upstream.add(project))["id"])
        files = spare.index_files(project)

    assert built["status"] == "succeeded", built["failure"]
    assert [file["filename"] for file in files] == [built["wheel"]["filename"]]


def _until_ready(service: RunningService) -> None:
    """Wait until everything answers again."""
    # The first answer may be a second old, from before something ended.
    asked = ("/readyz", "/v1/builds")
    wait_for("all parts", lambda: all(service.http.get(path).is_success for path in asked), seconds=START_SECONDS)


@contextmanager
def _put_away(folder: Path) -> Iterator[None]:
    """Keep a server from being started again by taking away what it needs."""
    elsewhere = folder.with_name(f"{folder.name}.away")
    folder.rename(elsewhere)
    try:
        yield
    finally:
        elsewhere.rename(folder)


@pytest.fixture(autouse=True)
def _keep_the_projects_apart(upstream: Upstream) -> None:
    """Every test has projects of its own: the spare services share a database."""
    upstream.files.clear()


def _failed(service: RunningService, requirement: str, *, stage: str) -> Document:
    """Ask for what must fail, and check what every failure has in common."""
    build = service.finished(service.submit(requirement)["id"])
    assert (build["status"], build["wheel"]) == ("failed", None)
    failure = build["failure"]
    assert failure["stage"] == stage, failure
    assert failure["summary"]
    assert failure["hint"]
    assert build["attempts"][-1]["failure"] == failure
    assert f"==> {stage} failed: {failure['summary'][:40]}" in service.log(build["id"]) or stage == "build"
    service.assert_nothing_half_done()
    return build


def _write_program(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path
