"""Which Python is compiled with a profile next: the first that lacks it and has not failed."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from wheelyard.domain.catalogue.catalogue import parse_catalogue
from wheelyard.domain.catalogue.definition import (
    DefinitionFacts,
    builder_definition,
    can_be_optimised,
    optimised_definition,
    python_definition,
    runtime_definition,
)
from wheelyard.domain.catalogue.optimisation import (
    INTERRUPTIONS,
    Optimisation,
    PythonChoice,
    choose_python,
    find_lagging,
)

CATALOGUE = parse_catalogue((Path(__file__).parents[3] / "builders" / "builders.toml").read_text())
FACTS = DefinitionFacts(
    dockerfile="FROM x AS y\n",
    tools_lock="",
    architecture="x86_64",
    compile_script="# how\nmake\n",
    optimise_scripts=("make profile\n",),
)
NEW, OLD = (
    PythonChoice(suite="bookworm", python=python, definition=definition)
    for python, definition in (("3.13", "d13"), ("3.11", "d11"))
)


def past(definition: str, *, interruptions: int = 0, failed: str = "") -> Optimisation:
    return Optimisation(
        definition=definition,
        suite="bookworm",
        python="3.13",
        begun=datetime(2026, 12, 1, tzinfo=UTC),
        interruptions=interruptions,
        failed=failed,
    )


@pytest.mark.parametrize(
    ("made", "before", "chosen"),
    [
        ([], [], NEW),
        (["d13"], [], OLD),
        (["d13", "d11"], [], None),
        ([], [past("d13", failed="test_re fails")], OLD),
        ([], [past("d13", interruptions=INTERRUPTIONS - 1)], NEW),
        ([], [past("d13", interruptions=INTERRUPTIONS)], OLD),
        ([], [past("of an older definition", failed="test_re fails")], NEW),
    ],
)
def test_first_that_is_missing_and_has_not_failed_is_chosen(
    made: list[str], before: list[Optimisation], chosen: PythonChoice | None
) -> None:
    assert choose_python([NEW, OLD], made=made, past=before) == chosen


def test_reason_is_told_only_of_what_is_not_tried_again() -> None:
    assert past("d").reason == past("d", interruptions=1).reason == ""
    assert past("d", failed="test_re fails").reason == "test_re fails"
    assert "3 times" in past("d", interruptions=INTERRUPTIONS).reason


def test_image_lags_for_each_python_whose_successor_is_there_and_not_in_it() -> None:
    assert find_lagging(["3.13", "3.11"], has=["3.13"], made={"3.13", "3.11"}) == ("3.11",)
    assert find_lagging(["3.13"], has=[""], made=set()) == ()


def test_optimised_python_changes_no_definition_of_images_and_so_no_key_of_builds() -> None:
    other = replace(FACTS, optimise_scripts=("make profile again\n",))
    for define in (python_definition, builder_definition, runtime_definition):
        assert define(CATALOGUE, FACTS, suite="bookworm", python="3.13") == define(
            CATALOGUE, other, suite="bookworm", python="3.13"
        )
    names = [optimised_definition(CATALOGUE, facts, suite="bookworm", python="3.13") for facts in (FACTS, other)]
    assert names[0] != names[1]


def test_script_that_compiles_is_part_of_the_definition_and_its_comments_are_not() -> None:
    quick = python_definition(CATALOGUE, FACTS, suite="bookworm", python="3.13")
    said = replace(FACTS, compile_script="# how and why\nmake\n")
    done = replace(FACTS, compile_script="make -j\n")
    assert python_definition(CATALOGUE, said, suite="bookworm", python="3.13") == quick
    assert python_definition(CATALOGUE, done, suite="bookworm", python="3.13") != quick


@pytest.mark.parametrize(
    ("python", "architecture", "can"),
    [("3.13", "x86_64", True), ("3.11", "x86_64", True), ("3.13t", "x86_64", False), ("3.13", "aarch64", False)],
)
def test_pythons_with_a_gil_are_optimised_on_x86_64(python: str, architecture: str, *, can: bool) -> None:
    assert can_be_optimised(CATALOGUE, replace(FACTS, architecture=architecture), python) is can
