"""Recipes: read strictly, with every problem told at once, and merged for one release on one builder."""

from pathlib import Path

import pytest
from packaging.version import Version
from tests.contract.samples import TARGET

from wheelyard.domain.recipe import EffectiveRecipe, Recipe, known_keys, merge_rules, parse_recipe
from wheelyard.domain.target import Target
from wheelyard.errors import RecipeInvalidError
from wheelyard.resources import data_path

HEAD = 'schema = 1\nname = "demo"\n'
OURS = sorted(data_path("recipes").glob("*.toml"))
EVERY_KEY = """\
schema = 1
name = "demo"
[[rule]]
when = { version = ">=2,<3", python = "<3.14", suite = ["bookworm"] }
apt = ["libdemo-dev", "g++"]
toolchains = ["rust>=1.85"]
env = { CFLAGS = "-O2" }
build-constraints = ["cython<3.1"]
config-settings = { "setup-args" = "-Dx=y" }
expect.extensions = ["demo._c"]
test.imports = ["demo"]
"""


def parse(text: str) -> Recipe:
    return parse_recipe(text, source="demo.toml")


def problems_of(text: str) -> tuple[str, ...]:
    with pytest.raises(RecipeInvalidError) as caught:
        parse(text)
    assert caught.value.source == "demo.toml"
    return caught.value.problems


def merged(rules: str, *, version: str = "2.0", target: Target = TARGET, suite: str = "bookworm") -> EffectiveRecipe:
    return merge_rules(parse(HEAD + rules), version=Version(version), target=target, suite=suite)


def test_every_key_has_its_effect() -> None:
    recipe = merge_rules(parse(EVERY_KEY), version=Version("2.1"), target=TARGET, suite="bookworm")
    assert recipe == EffectiveRecipe(
        apt=("libdemo-dev", "g++"),
        toolchains=("rust>=1.85",),
        env=(("CFLAGS", "-O2"),),
        build_constraints=("cython<3.1",),
        config_settings=(("setup-args", "-Dx=y"),),
        expected_extensions=("demo._c",),
        test_imports=("demo",),
    )


@pytest.mark.parametrize("file", OURS, ids=lambda file: file.stem)
def test_recipe_of_ours_can_be_used_and_is_named_after_its_project(file: Path) -> None:
    recipe = parse_recipe(file.read_text(encoding="utf-8"), source=file.name)
    assert recipe.name == file.stem
    assert recipe.rule


def test_reference_lists_every_key() -> None:
    text = (data_path("recipes") / "README.md").read_text(encoding="utf-8")
    assert [key for key in sorted(known_keys()) if key not in text] == []


def test_all_problems_are_told_at_once() -> None:
    text = """\
schema = 2
name = "De_mo"
[[rule]]
apt = ["lib demo"]
when = { version = "2.x" }
expect.extensions = ["demo-c"]
[[rule]]
env = { "A-B" = "x" }
apt = "libdemo-dev"
"""
    problems = problems_of(text)
    starts = ["schema", "name", "rule.0.apt.0", "rule.0.when.version", "rule.0.expect.extensions.0", "rule.1.env"]
    for start in [*starts, "rule.1.apt"]:
        assert any(problem.startswith(start) for problem in problems), start
    assert len(problems) == 7
    assert not any("Value error" in problem for problem in problems)


@pytest.mark.parametrize(
    ("key", "place", "nearest"),
    [
        ("nme = 1\n[[rule]]", "nme", "'name'"),
        ("[[rule]]\nbuild-constraint = []", "rule.0.build-constraint", "'build-constraints'"),
        ("[[rule]]\nbuild_constraints = []", "rule.0.build_constraints", "'build-constraints'"),
        ("[[rule]]\nwhen.versions = '1'", "rule.0.when.versions", "'version'"),
        ("[[rule]]\nexpect.extension = []", "rule.0.expect.extension", "'extensions'"),
        ("[[rule]]\ntest.import = []", "rule.0.test.import", "'imports'"),
    ],
)
def test_unknown_key_is_refused_with_the_nearest_known_one(key: str, place: str, nearest: str) -> None:
    assert problems_of(HEAD + key) == (f"{place}: unknown key, did you mean {nearest}?",)


def test_unknown_key_that_is_like_no_other_is_refused_without_a_guess() -> None:
    assert problems_of(HEAD + "zzzzzz = 1") == ("zzzzzz: unknown key",)


def test_text_that_is_not_toml_is_refused_with_its_place() -> None:
    (problem,) = problems_of("schema = \n")
    assert "it is not TOML" in problem
    assert "line 1" in problem


@pytest.mark.parametrize("name", ["PyYAML", "py_yaml", "zope.interface"])
def test_name_that_is_not_normalised_is_refused_with_the_right_one(name: str) -> None:
    (problem,) = problems_of(f'schema = 1\nname = "{name}"\n')
    assert f"'{name}' is not normalised, write" in problem


@pytest.mark.parametrize("package", ["--allow-downgrades", "libdemo-dev=1.0", "Lib", "a;b", "../x.deb", "", "lib demo"])
def test_package_name_that_no_package_has_is_refused(package: str) -> None:
    assert f"'{package}' is not a Debian package name" in problems_of(f"{HEAD}[[rule]]\napt = ['{package}']")[0]


def test_without_a_recipe_nothing_is_needed() -> None:
    assert merge_rules(None, version=Version("1"), target=TARGET, suite="bookworm") == EffectiveRecipe()


def test_lists_are_joined_in_order_without_repeats() -> None:
    recipe = merged("[[rule]]\napt = ['libb-dev', 'liba-dev']\n[[rule]]\napt = ['libc-dev', 'libb-dev']")
    assert recipe.apt == ("libb-dev", "liba-dev", "libc-dev")


def test_later_rule_has_the_last_word_on_a_tables_key() -> None:
    recipe = merged("[[rule]]\nenv = { CC = 'gcc', CFLAGS = '-O1' }\n[[rule]]\nenv = { CFLAGS = '-O2' }")
    assert dict(recipe.env) == {"CC": "gcc", "CFLAGS": "-O2"}


@pytest.mark.parametrize(
    ("when", "applies"),
    [
        ("version = '>=2'", True),
        ("version = '<2'", False),
        ("version = '==2.*'", True),
        ("python = '<3.14'", True),
        ("python = '==3.13'", True),
        ("python = '>=3.14'", False),
        ("suite = ['bookworm', 'trixie']", True),
        ("suite = ['trixie']", False),
        ("suite = []", True),
        ("version = '>=2', python = '>=3.14'", False),
        ("", True),
    ],
)
def test_rule_applies_only_when_all_of_its_conditions_hold(when: str, applies: bool) -> None:  # noqa: FBT001
    recipe = merged(f"[[rule]]\nwhen = {{ {when} }}\napt = ['libdemo-dev']")
    assert recipe.apt == (("libdemo-dev",) if applies else ())


def test_rule_for_versions_includes_their_prereleases() -> None:
    assert merged("[[rule]]\nwhen.version = '>=2'\napt = ['libdemo-dev']", version="3.0rc1").apt


def test_digest_is_that_of_the_meaning_whatever_the_formatting() -> None:
    plain = merged("[[rule]]\napt = ['liba-dev']\nenv = { A = '1', B = '2' }\nconfig-settings = { x = '1', y = '2' }")
    other = """
# The same in other words.
[[rule]]
when = { python = ">3" }
config-settings.y = "2"
config-settings.x = "1"
env = { "B" = "2" }
[[rule]]
env.A = "1"
apt = [
  "liba-dev",
]
[[rule]]
when = { suite = ["trixie"] }
apt = ["libother-dev"]
"""
    assert merged(other).digest == plain.digest


@pytest.mark.parametrize(
    "change",
    [
        "apt = ['liba-dev']",
        "toolchains = ['rust']",
        "env = { A = '1' }",
        "build-constraints = ['a']",
        "config-settings = { A = '1' }",
        "expect.extensions = ['a']",
        "test.imports = ['a']",
    ],
)
def test_each_key_changes_the_digest(change: str) -> None:
    others = {EffectiveRecipe().digest, merged("[[rule]]\nbuild-constraints = ['b']").digest}
    assert merged(f"[[rule]]\n{change}").digest not in others
