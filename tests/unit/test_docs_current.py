"""Reference pages that are made from the code are what the code makes, and the architecture names what is there."""

import re
from typing import Final

from tools.generate_docs import DOCS, RECIPES, command_line_page, schema_file, settings_page


def test_command_line_page_is_current() -> None:
    assert (DOCS / "cli.md").read_text() == command_line_page(), "run 'make docs'"


def test_settings_page_is_current() -> None:
    assert (DOCS / "settings.md").read_text() == settings_page(), "run 'make docs'"


def test_schema_of_recipes_is_current() -> None:
    assert (RECIPES / "recipe.schema.json").read_text() == schema_file(), "run 'make docs'"


PACKAGE: Final = DOCS.parent / "service" / "wheelyard"
_MODULE: Final = re.compile(r"`((?:[a-z_]+/)+[a-z_]+\.py)`")
_MOST_MODULES_OF_A_REQUEST: Final = 60


def test_architecture_names_modules_that_exist() -> None:
    named = set(_MODULE.findall((DOCS / "architecture.md").read_text()))
    assert len(named) > 50
    assert {name for name in named if not any((root / name).is_file() for root in (PACKAGE, DOCS.parent))} == set()


def test_a_request_passes_few_enough_modules_to_follow() -> None:
    page = (DOCS / "architecture.md").read_text()
    _, _, rest = page.partition("## One request, module by module\n")
    way, _, _ = rest.partition("\n## ")
    passed = set(_MODULE.findall(way))
    assert 40 < len(passed) <= _MOST_MODULES_OF_A_REQUEST
