"""A build's key: equal for equal facts, another one for each fact that differs."""

from dataclasses import fields, replace

import pytest
from tests.contract.samples import TARGET

from wheelyard.domain.builds.build import SourceKind
from wheelyard.domain.builds.key import KeyFacts, build_key, build_tag
from wheelyard.domain.packaging.target import Target

FACTS = KeyFacts(
    sdist_sha256="aa",
    recipe_digest="bb",
    builder_definition="cc",
    agent_digest="dd",
    toolchains=("ee",),
    target=TARGET,
    build_number=1,
)
OTHER: dict[str, list[object]] = {
    "sdist_sha256": ["ab", "aabb"],
    "recipe_digest": ["bc"],
    "builder_definition": ["cd"],
    "agent_digest": ["de"],
    "source_kind": [SourceKind.WHEEL],
    "toolchains": [(), ("ef",), ("ee", "ff")],
    "target": [
        Target.parse(python="3.12", platform="manylinux_2_36_x86_64"),
        Target.parse(python="3.13", platform="manylinux_2_28_x86_64"),
        Target.parse(python="3.13", platform="manylinux_2_36_aarch64"),
    ],
    "build_number": [2, 11],
}


def test_equal_facts_give_the_same_key() -> None:
    key = build_key(FACTS)
    assert key == build_key(replace(FACTS))
    assert (len(key), int(key, 16) > 0) == (64, True)


def test_every_fact_is_tried_below() -> None:
    assert {field.name for field in fields(KeyFacts)} == OTHER.keys()


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in OTHER.items() for value in values])
def test_each_fact_changes_the_key(name: str, value: object) -> None:
    changes: dict[str, object] = {name: value}
    assert build_key(replace(FACTS, **changes)) != build_key(FACTS)  # type: ignore[arg-type]


def test_facts_cannot_take_each_others_place() -> None:
    swapped = replace(FACTS, recipe_digest=FACTS.builder_definition, builder_definition=FACTS.recipe_digest)
    shifted = replace(FACTS, sdist_sha256="aab", recipe_digest="b")
    assert len({build_key(FACTS), build_key(swapped), build_key(shifted)}) == 3


def test_build_tag_begins_with_the_number_and_names_the_suite() -> None:
    assert build_tag(12, suite="bookworm") == "12.bookworm"
    # A hyphen would end the build tag in a wheel's file name.
    assert build_tag(1, suite="ubuntu-noble") == "1.ubuntu_noble"
