"""Reference pages that are made from the code are what the code makes."""

from tools.generate_docs import DOCS, RECIPES, command_line_page, schema_file, settings_page


def test_command_line_page_is_current() -> None:
    assert (DOCS / "cli.md").read_text() == command_line_page(), "run 'make docs'"


def test_settings_page_is_current() -> None:
    assert (DOCS / "settings.md").read_text() == settings_page(), "run 'make docs'"


def test_schema_of_recipes_is_current() -> None:
    assert (RECIPES / "recipe.schema.json").read_text() == schema_file(), "run 'make docs'"
