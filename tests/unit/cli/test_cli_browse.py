"""The commands that look around, in front of the real API on in-memory stores."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.prebuild_contract import sample_prebuild
from tests.unit.cli_service import Service
from tests.unit.wheel_harness import WheelHarness

from wheelyard.cli import browse, statistics
from wheelyard.cli.problem import ExitCode, ProblemError
from wheelyard.errors import NotFoundError


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path)
    yield made
    made.close()


def test_projects_are_listed(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    assert browse.list_projects(service.client, prefix="Py", limit=10, as_json=False) is ExitCode.OK
    assert capsys.readouterr().out.splitlines()[1].split()[:3] == ["pyyaml", "2", "2"]
    browse.list_projects(service.client, prefix="zz", limit=10, as_json=False)
    assert "no project has this beginning" in capsys.readouterr().err


def test_project_is_a_matrix_even_if_all_of_it_failed(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    browse.show_project(service.client, "PyYAML", releases=1, as_json=False)
    shown = capsys.readouterr()
    row = next(line for line in shown.out.splitlines() if "manylinux_2_36_x86_64" in line)
    assert row.split() == ["6.0.3", "manylinux_2_36_x86_64", *"--", "wheel", *"-----"]
    assert "1 older releases" in shown.err
    browse.show_project(service.client, "lxml", releases=8, as_json=True)
    rows = json.loads(capsys.readouterr().out)
    assert {row["platform"]: row["3.13"] for row in rows}["manylinux_2_36_x86_64"] == "failed"
    with pytest.raises(NotFoundError):
        browse.show_project(service.client, "nobody-knows", releases=8, as_json=False)


def test_wheel_is_shown_with_its_files(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    browse.show_wheel(service.client, service.ids["wheel"], as_json=False)
    shown = capsys.readouterr().out
    for text in (service.ids["wheel"], service.ids["succeeded"], "pyyaml.py", "12 B", "4 files"):
        assert text in shown
    browse.show_wheel(service.client, service.ids["wheel"], as_json=True)
    assert json.loads(capsys.readouterr().out)["contents"]["total"] == 4
    with pytest.raises(ProblemError):
        browse.show_wheel(service.client, "nothing-1-py3-none-any.whl", as_json=False)


def test_sdist_is_shown_and_is_no_wheel_of_the_matrix(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    api, sdist = service.harness.api, "pyyaml-6.0.3.tar.gz"
    WheelHarness(state=api.state, prod=api.held).put_sdist(sdist)
    browse.show_wheel(service.client, sdist, as_json=False)
    shown = " ".join(capsys.readouterr().out.split())
    for text in (f"sdist {sdist}", "origin brought", "none, because it is an sdist"):
        assert text in shown
    assert "index check" not in shown
    assert browse.show_project(service.client, "pyyaml", releases=8, as_json=False) == 0
    assert "wheel" in capsys.readouterr().out


def test_recipes_are_listed_and_shown(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    browse.list_recipes(service.client, as_json=False)
    assert "pyyaml" in capsys.readouterr().out
    browse.show_recipe(service.client, "pyyaml", as_json=False)
    assert 'apt = ["libyaml-dev"]' in capsys.readouterr().out


def test_requests_are_listed_with_their_progress(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    service.run(service.harness.api.services.prebuilds.store.create(sample_prebuild()))
    browse.list_requests(service.client, state="open", limit=5, as_json=False)
    shown = capsys.readouterr().out
    assert sample_prebuild().id in shown
    assert "0 of 1" in shown
    browse.list_requests(service.client, state="done", limit=5, as_json=False)
    assert "no request matches" in capsys.readouterr().err


def test_queue_says_when_a_build_begins(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    statistics.show_queue(service.client, limit=5, as_json=False)
    assert "no build is running or queued" in capsys.readouterr().err
    build_id = service.run(service.harness.api.submit("lxml"))
    statistics.show_queue(service.client, limit=5, as_json=False)
    assert build_id in capsys.readouterr().out
    statistics.show_queue(service.client, limit=5, as_json=True)
    assert json.loads(capsys.readouterr().out)["waiting"][0]["position"] == 1


def test_statistics_are_tables(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    statistics.show_statistics(service.client, days=7, as_json=False)
    shown = capsys.readouterr().out
    for text in ("67 %", "state directory", "pyyaml 6.0.3", "LARGEST"):
        assert text in shown
    statistics.show_statistics(service.client, days=7, as_json=True)
    assert json.loads(capsys.readouterr().out)["wheels"] == 2
