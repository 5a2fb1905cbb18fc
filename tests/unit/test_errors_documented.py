"""Each error's code is documented, with the HTTP status and the exit code that it really has."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from wheelyard.api.problems import STATUSES
from wheelyard.cli.problem import exit_code_of
from wheelyard.errors import CallerError, InternalError, OperatorError, ProjectError, RecipeError, WheelyardError

TEXT = (Path(__file__).parents[2] / "docs" / "errors.md").read_text()
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))


def descendants(parent: type[WheelyardError]) -> Iterator[type[WheelyardError]]:
    for child in parent.__subclasses__():
        yield child
        yield from descendants(child)


ERRORS = [error for error in descendants(WheelyardError) if error.__module__.startswith("wheelyard.errors.")]
KINDS: dict[type, str] = {
    CallerError: "caller",
    RecipeError: "recipe",
    ProjectError: "project",
    OperatorError: "operator",
}


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.code)
def test_section_says_how_the_error_shows_and_what_to_do(error: type[WheelyardError]) -> None:
    section = SECTIONS[error.code]
    again = "can be tried again" if error.retryable else "trying again does not help"
    first, *_ = section.strip().splitlines()
    assert first == f"HTTP {STATUSES[error]}, exit code {int(exit_code_of(error))}; {again}."
    assert "**Why**: " in section
    assert "**What to do**: " in section


def test_no_section_is_about_a_code_that_is_not_there() -> None:
    assert set(SECTIONS) == {error.code for error in ERRORS}


def test_codes_are_short_words_and_each_is_used_once() -> None:
    codes = Counter(error.code for error in ERRORS)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", code) for code in codes)
    assert [code for code, uses in codes.items() if uses > 1] == []


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.code)
def test_error_is_in_the_module_of_who_can_act(error: type[WheelyardError]) -> None:
    homes = ["base"] if error in KINDS else [KINDS[parent] for parent in error.__bases__ if parent in KINDS]
    assert [error.__module__] == [f"wheelyard.errors.{home}" for home in homes]


def test_root_is_reported_as_an_internal_error() -> None:
    assert WheelyardError.code == InternalError.code


def test_status_table_covers_every_class_and_nothing_else() -> None:
    assert set(STATUSES) == {WheelyardError, *ERRORS}
    assert all(400 <= status < 600 for status in STATUSES.values())
