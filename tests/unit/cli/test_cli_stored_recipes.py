"""The commands that change the service's own recipes, in front of the real API; exports are applied by git itself."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.contract.samples import sample_healing
from tests.unit.cli_harness import client_of
from tests.unit.cli_service import Service

from wheelyard.cli import stored_recipes
from wheelyard.cli.app import run
from wheelyard.cli.problem import ExitCode, ProblemError
from wheelyard.errors import NotFoundError, RecipeRefusedError, ServerUnreachableError

IDNA = 'schema = 1\nname = "idna"\n\n[[rule]]\nenv.X = "\N{LINE SEPARATOR}"  # odd\u2028comment\n'
LXML = 'schema = 1\nname = "lxml"'


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path / "cache")
    yield made
    made.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of recipes in a git repository."""
    git(tmp_path, "init", "-q", "repository")
    folder = tmp_path / "repository" / "python" / "recipes"
    folder.mkdir(parents=True)
    return folder


def git(where: Path, *arguments: str, text: str | None = None) -> None:
    subprocess.run(["git", *arguments], cwd=where, input=text, text=True, check=True, encoding="utf-8")


def put(service: Service, file: Path, text: str, *, revision: int | None = None) -> None:
    file.parent.mkdir(exist_ok=True, parents=True)
    file.write_bytes(text.encode())
    stored_recipes.put_recipe(service.client, file, revision=revision, as_json=False)


def test_recipe_is_stored_shown_and_removed(
    service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(service, tmp_path / "PyYAML.toml", LXML.replace("lxml", "pyyaml"))
    told = capsys.readouterr().err
    assert "stored pyyaml, revision 1 by tests" in told
    assert "it replaces recipes/pyyaml.toml" in told
    stored_recipes.remove_recipe(service.client, "pyyaml", revision=1, as_json=False)
    assert "this is revision 2" in capsys.readouterr().err
    stored_recipes.show_history(service.client, "pyyaml", revision=None, limit=10, as_json=False)
    _, removed, saved = capsys.readouterr().out.splitlines()
    assert (removed.split()[0], removed.split()[-1]) == ("2", "removed")
    assert (saved.split()[0], saved.split()[-1]) == ("1", "saved")
    stored_recipes.show_history(service.client, "pyyaml", revision=1, limit=10, as_json=False)
    assert capsys.readouterr().out == LXML.replace("lxml", "pyyaml")
    with pytest.raises(NotFoundError):
        stored_recipes.show_history(service.client, "pyyaml", revision=3, limit=10, as_json=False)
    stored_recipes.show_history(service.client, "idna", revision=None, limit=10, as_json=False)
    assert "never had a recipe" in capsys.readouterr().err


def test_change_of_an_older_revision_and_a_file_that_is_no_text_are_refused(service: Service, tmp_path: Path) -> None:
    put(service, tmp_path / "lxml" / "recipe.toml", LXML, revision=0)
    with pytest.raises(ProblemError) as caught:
        put(service, tmp_path / "lxml" / "recipe.toml", f"{LXML}\n", revision=0)
    assert caught.value.problem.code == "recipe-changed"
    (tmp_path / "lxml.toml").write_bytes(b"\xff")
    with pytest.raises(RecipeRefusedError, match="it is not UTF-8"):
        stored_recipes.put_recipe(service.client, tmp_path / "lxml.toml", revision=None, as_json=False)


def test_adoption_prints_the_recipe_and_what_the_next_request_does(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    healed = service.run(service.harness.api.heal("lxml==6.0.2"))
    capsys.readouterr()
    stored_recipes.adopt_recipe(service.client, "lxml", build=healed[:8], as_json=False)
    printed = capsys.readouterr()
    assert printed.out.rstrip() == sample_healing("lxml").recipe.rstrip()
    assert f"adopted: lxml, revision 1 adopted from build {healed[:8]} by tests" in printed.err
    assert f"an equal request joins build {healed}" in printed.err
    stored_recipes.adopt_recipe(service.client, "lxml", build=None, as_json=False)
    assert "nothing to add" in capsys.readouterr().err
    stored_recipes.adopt_recipe(service.client, "lxml", build=None, as_json=True)
    assert json.loads(capsys.readouterr().out)["is_new"] is False


def test_export_writes_each_recipe_of_the_database_once(
    service: Service, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(service, tmp_path / "idna.toml", IDNA)
    put(service, tmp_path / "lxml.toml", LXML)
    (folder / "lxml").mkdir()
    (folder / "lxml" / "recipe.toml").write_text("# old\n")
    for number in (2, 0):
        assert stored_recipes.export_recipes(service.client, None, folder=folder, as_patch=False) is ExitCode.OK
        assert f"2, of which {number} differ" in capsys.readouterr().err
    assert (folder / "idna.toml").read_bytes().decode() == IDNA
    assert (folder / "lxml" / "recipe.toml").read_text() == f"{LXML}\n"
    assert not (folder / "lxml.toml").exists()
    with pytest.raises(NotFoundError, match=r"only in recipes/pyyaml\.toml"):
        stored_recipes.export_recipes(service.client, "pyyaml", folder=folder, as_patch=False)


@pytest.mark.parametrize("old", [None, "# old\n", "# without an end", IDNA.replace("odd", "even"), "# old\r\n" * 9])
def test_patch_makes_of_the_folder_what_an_export_would(
    service: Service, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], old: str | None
) -> None:
    put(service, tmp_path / "idna.toml", IDNA)
    if old is not None:
        (folder / "idna.toml").write_bytes(old.encode())
    capsys.readouterr()
    stored_recipes.export_recipes(service.client, "idna", folder=folder, as_patch=True)
    patch = capsys.readouterr().out
    git(folder, "apply", text=patch)
    assert (folder / "idna.toml").read_bytes().decode() == IDNA
    stored_recipes.export_recipes(service.client, "idna", folder=folder, as_patch=True)
    assert not capsys.readouterr().out


def test_patch_without_a_folder_makes_new_files(
    service: Service, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(service, tmp_path / "idna.toml", IDNA)
    put(service, tmp_path / "lxml.toml", LXML)
    capsys.readouterr()
    stored_recipes.export_recipes(service.client, None, folder=None, as_patch=True)
    git(folder.parents[1], "apply", "--directory=python/recipes", text=capsys.readouterr().out)
    assert sorted(file.name for file in folder.iterdir()) == ["idna.toml", "lxml.toml"]


def test_name_that_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    recipe = {
        "name": "../../etc/x",
        "source": "x",
        "usable": True,
        "problems": [],
        "remarks": [],
        "revision": {"number": 1, "by": "x", "at": "2026-11-23T12:00:00Z", "build_id": None},
        "replaces": "",
        "text": "",
        "files": [],
    }
    client = client_of(lambda _: httpx.Response(200, json=recipe))
    with pytest.raises(ServerUnreachableError, match="not a project's name"):
        stored_recipes.export_recipes(client, "x", folder=tmp_path, as_patch=False)
    assert list(tmp_path.iterdir()) == []


def test_export_asks_where_to(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["recipe", "export"]) == ExitCode.USAGE
    assert "--to" in capsys.readouterr().err
