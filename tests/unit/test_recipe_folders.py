"""Recipes in folders: later folders win, changes count at once, and a broken file disables its project alone."""

from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from wheelyard.adapters.recipe_folders import RecipeFolders
from wheelyard.errors import RecipeInvalidError

DEMO = canonicalize_name("demo")


def put(folder: Path, package: str, *, file: str = "demo", name: str = "demo") -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"{file}.toml").write_text(f'schema = 1\nname = "{name}"\n[[rule]]\napt = ["{package}"]\n')


def apt_of(book: RecipeFolders, project: str = "demo") -> tuple[str, ...]:
    recipe = book.find(canonicalize_name(project))
    assert recipe is not None
    return recipe.rule[0].apt


def test_project_without_a_recipe_has_none(tmp_path: Path) -> None:
    assert RecipeFolders([tmp_path, tmp_path / "not-there"]).find(DEMO) is None
    assert RecipeFolders([]).find(DEMO) is None


def test_later_folder_replaces_an_earlier_ones_recipe(tmp_path: Path) -> None:
    put(tmp_path / "ours", "libours-dev")
    put(tmp_path / "ours", "libkept-dev", file="kept", name="kept")
    put(tmp_path / "theirs", "libtheirs-dev")
    book = RecipeFolders([tmp_path / "ours", tmp_path / "theirs"])
    assert (apt_of(book), apt_of(book, "kept")) == (("libtheirs-dev",), ("libkept-dev",))


def test_changed_file_counts_at_once(tmp_path: Path) -> None:
    book = RecipeFolders([tmp_path])
    assert book.find(DEMO) is None
    put(tmp_path, "libone-dev")
    assert apt_of(book) == ("libone-dev",)
    put(tmp_path, "libtwo-dev")
    assert apt_of(book) == ("libtwo-dev",)


def test_broken_recipe_is_named_and_disables_its_project_alone(tmp_path: Path) -> None:
    put(tmp_path, "libfine-dev", file="fine", name="fine")
    (tmp_path / "demo.toml").write_text("schema = 1\nnam = 'demo'\n")
    book = RecipeFolders([tmp_path])
    with pytest.raises(RecipeInvalidError, match="did you mean 'name'") as caught:
        book.find(DEMO)
    assert caught.value.source == str(tmp_path / "demo.toml")
    assert apt_of(book, "fine") == ("libfine-dev",)


def test_file_that_is_not_utf_8_is_a_broken_recipe(tmp_path: Path) -> None:
    (tmp_path / "demo.toml").write_bytes(b"# \xff\nschema = 1\n")
    with pytest.raises(RecipeInvalidError, match="it cannot be read"):
        RecipeFolders([tmp_path]).find(DEMO)


def test_recipe_of_another_project_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "libother-dev", name="other")
    with pytest.raises(RecipeInvalidError, match="'other' is not what the file is named after"):
        RecipeFolders([tmp_path]).find(DEMO)
