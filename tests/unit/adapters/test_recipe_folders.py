"""Recipes in folders: later folders win, changes count at once, and a broken file disables its project alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from tests.fakes.images import MemoryRecipes

from wheelyard.adapters.recipes.folders import RecipeFolders
from wheelyard.errors import RecipeInvalidError, RecipesUnavailableError

DEMO = canonicalize_name("demo")


def put(folder: Path, package: str, *, file: str = "demo", name: str = "demo") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{file}.toml").write_text(f'schema = 1\nname = "{name}"\n[[rule]]\napt = ["{package}"]\n')


def apt_of(book: RecipeFolders, project: str = "demo") -> tuple[str, ...]:
    recipe = book.find(canonicalize_name(project))
    assert recipe is not None
    return recipe.rules[0].apt


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


def test_recipe_can_be_a_folder_with_the_files_that_it_names(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    used = {"patches/a.patch": b"\xff", "hooks/sub/b.sh": b"b", "tests/c.txt": b""}
    for path, content in {**used, "other": b"x"}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    (folder / "recipe.toml").write_text(
        "schema = 1\nname = 'demo'\n[[rule]]\npatches = ['a.patch']\nhooks.before-build = ['sub/b.sh']\n"
    )
    recipe = RecipeFolders([tmp_path]).find(DEMO)
    assert recipe is not None
    assert recipe.files == used
    assert recipe.source == str(folder / "recipe.toml")


def test_single_file_has_no_files_even_if_some_lie_beside_it(tmp_path: Path) -> None:
    (tmp_path / "patches").mkdir()
    (tmp_path / "patches" / "a.patch").write_text("")
    (tmp_path / "demo.toml").write_text("schema = 1\nname = 'demo'\n[[rule]]\npatches = ['a.patch']\n")
    with pytest.raises(RecipeInvalidError, match=r"line 4: rule 1, patches 1: there is no file patches/a\.patch"):
        RecipeFolders([tmp_path]).find(DEMO)


def test_project_with_a_file_and_a_folder_is_out_of_order(tmp_path: Path) -> None:
    put(tmp_path, "liba-dev")
    put(tmp_path / "demo", "libb-dev", file="recipe")
    with pytest.raises(RecipeInvalidError, match=r"demo\.toml beside it is for the same project"):
        RecipeFolders([tmp_path]).find(DEMO)


def test_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    put(tmp_path / "book" / "demo", "liba-dev", file="recipe")
    (tmp_path / "secret").write_text("s3cret")
    (tmp_path / "book" / "demo" / "patches").mkdir()
    (tmp_path / "book" / "demo" / "patches" / "a.patch").symlink_to(tmp_path / "secret")
    with pytest.raises(RecipeInvalidError, match=r"patches/a\.patch is a link out of its folder"):
        RecipeFolders([tmp_path / "book"]).find(DEMO)


def test_files_that_are_too_large_to_travel_are_refused(tmp_path: Path) -> None:
    put(tmp_path / "demo", "liba-dev", file="recipe")
    (tmp_path / "demo" / "tests").mkdir()
    for name in ("a", "b"):
        (tmp_path / "demo" / "tests" / name).write_bytes(bytes((2 << 20) + 1))
    with pytest.raises(RecipeInvalidError, match="its files have more than 4 MiB"):
        RecipeFolders([tmp_path]).find(DEMO)


@pytest.mark.parametrize("name", ["De_mo", "de.mo", "DE-MO"])
def test_file_whose_name_only_normalises_to_the_projects_is_broken_and_not_passed_over(
    tmp_path: Path, name: str
) -> None:
    put(tmp_path / "file", "liba-dev", file=name, name="de-mo")
    put(tmp_path / "folder" / name, "liba-dev", file="recipe", name="de-mo")
    for folder, wanted in (("file", r"de-mo\.toml"), ("folder", "de-mo")):
        book = RecipeFolders([tmp_path / folder])
        with pytest.raises(RecipeInvalidError, match=f"'{name}' is not normalised, so name it {wanted}"):
            book.find(canonicalize_name("de-mo"))
        (status,) = book.list_recipes()
        assert (status.name, len(status.problems)) == ("de-mo", 1)


def test_two_files_whose_names_normalise_to_one_project_are_out_of_order(tmp_path: Path) -> None:
    put(tmp_path, "liba-dev", file="de-mo", name="de-mo")
    put(tmp_path, "libb-dev", file="de_mo", name="de-mo")
    with pytest.raises(RecipeInvalidError, match=r"de_mo\.toml beside it is for the same project"):
        RecipeFolders([tmp_path]).find(canonicalize_name("de-mo"))


def test_recipe_that_cannot_be_read_disables_its_project_alone(tmp_path: Path) -> None:
    put(tmp_path, "libfine-dev", file="fine", name="fine")
    (tmp_path / "dangling.toml").symlink_to(tmp_path / "not-there")
    (tmp_path / "directory.toml").mkdir()
    (tmp_path / "dangling-folder").symlink_to(tmp_path / "not-there")
    (tmp_path / "dangling-inside").mkdir()
    (tmp_path / "dangling-inside" / "recipe.toml").symlink_to(tmp_path / "not-there")
    (tmp_path / ".#fine.toml").symlink_to("what an editor leaves behind")
    book = RecipeFolders([tmp_path])
    statuses = {status.name: status for status in book.list_recipes()}
    broken = ["dangling", "dangling-folder", "dangling-inside", "directory"]
    assert list(statuses) == [*broken, "fine"]
    assert statuses["fine"].problems == ()
    for name in broken:
        assert "it cannot be read" in statuses[name].problems[0]
        with pytest.raises(RecipeInvalidError, match="it cannot be read"):
            book.find(canonicalize_name(name))


def test_folder_that_cannot_be_listed_is_not_taken_for_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(folder: Path) -> Iterator[Path]:
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(Path, "iterdir", refuse)  # tests may run as root, to whom nothing is denied
    with pytest.raises(RecipesUnavailableError, match="Permission denied"):
        RecipeFolders([tmp_path]).find(DEMO)


def test_suite_that_no_catalogue_has_disables_the_project(tmp_path: Path) -> None:
    (tmp_path / "demo.toml").write_text("schema = 1\nname = 'demo'\n[[rule]]\nwhen.suite = ['bookwrom']\n")
    book = RecipeFolders([tmp_path], suites=["bookworm", "rocky9"])
    problem = "line 4: rule 1, when.suite 1: there is no suite 'bookwrom', did you mean 'bookworm'?"
    with pytest.raises(RecipeInvalidError) as caught:
        book.find(DEMO)
    status = book.describe(DEMO)
    assert status is not None
    assert (caught.value.problems, status.problems) == ((problem,), (problem,))


def test_recipe_of_another_project_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "libother-dev", name="other")
    with pytest.raises(RecipeInvalidError, match="'other' is not what the file is named after"):
        RecipeFolders([tmp_path]).find(DEMO)


def test_list_has_broken_recipes_too_with_what_is_wrong(tmp_path: Path) -> None:
    put(tmp_path / "ours", "libfine-dev", file="fine", name="fine")
    put(tmp_path / "ours", "libold-dev")
    put(tmp_path / "theirs" / "demo", "lib new", file="recipe")
    book = RecipeFolders([tmp_path / "ours", tmp_path / "not-there", tmp_path / "theirs"])
    demo, fine = book.list_recipes()
    assert (demo.name, demo.source) == ("demo", str(tmp_path / "theirs" / "demo" / "recipe.toml"))
    assert demo.problems == ("line 4: rule 1, apt 1: 'lib new' is not a Debian package name",)
    assert (fine.name, fine.problems) == ("fine", ())
    assert book.describe(DEMO) == demo
    assert book.describe(canonicalize_name("other")) is None
    assert [source.problem for source in book.list_sources()] == ["", "there is no such folder", ""]


def test_twin_in_memory_describes_recipes_as_the_folders_do(tmp_path: Path) -> None:
    put(tmp_path / "demo", "liba-dev", file="recipe")
    (tmp_path / "demo" / "hooks").mkdir()
    (tmp_path / "demo" / "hooks" / "a.sh").write_text("a")
    real = RecipeFolders([tmp_path])
    recipe = real.find(DEMO)
    assert recipe is not None
    twin = MemoryRecipes(recipe)
    assert twin.list_recipes() == real.list_recipes()
    assert twin.describe(DEMO) == real.describe(DEMO)
    assert twin.find(canonicalize_name("other")) is real.find(canonicalize_name("other")) is None
