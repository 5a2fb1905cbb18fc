"""Recipes as their authors meet them: drafted, tried without a service, and fetched by one from a repository."""

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.acceptance.conftest import StartService
from tests.acceptance.processes import wait_for
from tests.acceptance.running_service import Launch
from tests.acceptance.upstream import Upstream

from wheelyard.assembly.parts import Parts
from wheelyard.assembly.worker import WORKER_LABEL, worker_name
from wheelyard.settings import Settings

TELL_FLAG = "print('flag is', os.environ.get('DEMO_FLAG'))"
UNSUPPORTED = "[[rule]]\nunsupported = 'it needs libdemo 3, and the suite has 2'\n"


@pytest.fixture(scope="module")
def author(make_state_dir: Callable[[], Path], upstream: Upstream) -> Launch:
    """Somebody who writes recipes, on a host where no service runs."""
    return Launch(state_dir=make_state_dir(), settings={"UPSTREAM_INDEX_URL": upstream.url})


def write_recipe(folder: Path, project: str, rules: str) -> None:
    (folder / f"{project}.toml").write_text(f"schema = 1\nname = '{project}'\n{rules}")


def test_recipe_is_tried_without_a_service_and_the_proven_wheel_kept(
    author: Launch, upstream: Upstream, tmp_path: Path
) -> None:
    requirement = upstream.add("tried", TELL_FLAG)
    write_recipe(tmp_path, "tried", "[[rule]]\nenv.DEMO_FLAG = 'up'\n")
    arguments = ("--recipes", str(tmp_path), "--output", str(tmp_path / "dist"), "--json")

    done = author.cli("recipe", "test", requirement, *arguments)

    assert done.returncode == 0, done.stderr
    build = json.loads(done.stdout)
    assert (build["status"], build["wheel"]["imported_modules"]) == ("succeeded", ["tried"])
    assert build["wheel"]["url"] is None
    assert "flag is up" in done.stderr
    assert [file.name for file in (tmp_path / "dist").iterdir()] == [build["wheel"]["filename"]]


def test_interrupt_ends_a_trial_with_its_container(author: Launch, upstream: Upstream, tmp_path: Path) -> None:
    requirement = upstream.add("endless", "print('it runs', flush=True); import time; time.sleep(300)")
    arguments = [*author.command, "recipe", "test", requirement, "--output", str(tmp_path / "dist")]
    with subprocess.Popen(arguments, env=author.environment, stderr=subprocess.PIPE, text=True) as trial:
        assert trial.stderr is not None
        before = list(iter(trial.stderr.readline, "| it runs\n"))
        trial.send_signal(signal.SIGINT)
        after = trial.stderr.read()
        assert trial.wait(60) == 130, after
    assert any(line.startswith("==> stage build") for line in before)
    settings = Settings(state_dir=author.state_dir)
    label = f"label={WORKER_LABEL}={worker_name(settings)}-trial-{trial.pid}"
    engine = Parts(settings).engine.program
    listed = subprocess.run([engine, "ps", "--all", "--quiet", "--filter", label], capture_output=True, check=True)
    assert listed.stdout == b""
    assert not (tmp_path / "dist").exists()


def test_release_that_the_recipe_rules_out_is_refused_before_anything_runs(
    author: Launch, upstream: Upstream, tmp_path: Path
) -> None:
    requirement = upstream.add("ruledout")
    write_recipe(tmp_path, "ruledout", UNSUPPORTED)

    done = author.cli("recipe", "test", requirement, "--recipes", str(tmp_path))

    assert done.returncode == 1
    assert "error[release-unsupported]" in done.stderr
    assert "it needs libdemo 3, and the suite has 2" in done.stderr
    assert "==>" not in done.stderr


def test_recipe_is_drafted_from_the_sdist(author: Launch, upstream: Upstream, tmp_path: Path) -> None:
    requirement, file = upstream.add("drafted"), tmp_path / "new" / "drafted.toml"

    done = author.cli("recipe", "new", requirement, "--output", str(file))
    again = author.cli("recipe", "new", requirement, "--output", str(file))

    assert done.returncode == 0, done.stderr
    assert "drafted 1.0 may need no recipe" in done.stderr
    assert "# Build backend: backend; it requires: nothing" in file.read_text()
    assert (file.parent / file.read_text().splitlines()[0].removeprefix("#:schema ")).is_file()
    assert author.cli("recipe", "lint", str(file)).returncode == 0
    assert (again.returncode, "error[file-exists]" in again.stderr) == (3, True)


def test_service_takes_a_repositorys_new_commit_without_a_restart(
    start_spare: StartService, upstream: Upstream, tmp_path: Path
) -> None:
    requirement, repository = upstream.add("versioned"), tmp_path / "repository"
    repository.mkdir()
    _git(repository, "init", "--quiet")
    write_recipe(repository, "versioned", UNSUPPORTED)
    first = _commit(repository)
    settings = {"RECIPES": json.dumps([f"git+file://{repository}"]), "RECIPES_INTERVAL_SECONDS": "1"}
    with start_spare(**settings) as service:

        def is_used(commit: str) -> bool:
            return commit in {source["commit"] for source in service.http.get("/v1/recipes").json()["sources"]}

        wait_for("the first commit", lambda: is_used(first), seconds=30)
        refused = service.http.post("/v1/builds", json={"requirement": requirement})
        write_recipe(repository, "versioned", "[[rule]]\natp = []\n")
        second = _commit(repository)
        wait_for("the second commit", lambda: is_used(second), seconds=30)
        broken = service.http.post("/v1/builds", json={"requirement": requirement})
        listed = {recipe["name"]: recipe for recipe in service.http.get("/v1/recipes").json()["recipes"]}

    assert (refused.status_code, refused.json()["code"]) == (422, "release-unsupported")
    assert (broken.status_code, broken.json()["code"]) == (500, "recipe-invalid")
    problem = "line 4: rule 1, atp: unknown key, did you mean 'apt'?"
    assert broken.json()["context"]["problems"] == [problem]
    assert listed["versioned"]["problems"] == [problem]
    assert listed["pyyaml"]["usable"]


def _commit(repository: Path) -> str:
    _git(repository, "add", "--all")
    _git(repository, "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "--quiet", "--message=change")
    return _git(repository, "rev-parse", "HEAD")


def _git(repository: Path, *arguments: str) -> str:
    command = ["git", "-C", str(repository), "-c", "commit.gpgsign=false", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
