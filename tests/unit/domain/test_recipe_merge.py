"""Recipes merged for one release on one builder, and where each key came from."""

import dataclasses

import pytest
from packaging.version import Version
from tests.contract.samples import TARGET
from tests.unit.recipe_texts import EVERY_KEY, FILES, HEAD, OTHER_KEYS, merged, parse_recipe

from wheelyard.domain.packaging.target import Target
from wheelyard.domain.recipes.effective import EffectiveRecipe, RecipeFile, SourceFile
from wheelyard.domain.recipes.merge import MERGES, Place, merge_rules
from wheelyard.domain.recipes.model import KEY_PATHS
from wheelyard.domain.recipes.origins import KeyOrigin, SkippedRule, explain_keys, skipped_rules

PLACE = Place(version=Version("2.1"), target=TARGET, suite="bookworm")


def effective(text: str) -> EffectiveRecipe:
    recipe = parse_recipe(text, source="demo.toml", files=FILES)
    return merge_rules(recipe, version=PLACE.version, target=PLACE.target, suite=PLACE.suite)


def test_every_key_has_its_effect() -> None:
    assert effective(EVERY_KEY) == EffectiveRecipe(
        apt=("libdemo-dev", "g++"),
        dnf=("demo-devel", "perl(IPC::Cmd)"),
        apk=("demo-dev",),
        toolchains=("rust>=1.85",),
        env=(("CFLAGS", "-O2"),),
        config_settings=(("editable", "no"), ("setup-args", ("-Dx=y", "-Dz=1"))),
        build_requires=("cmake>=3.20",),
        dropped_requires=("ninja",),
        build_constraints=("cython<3.1",),
        sources=(
            SourceFile(url="https://files.example/demo-data.tar.gz", sha256="0a" * 32, to="vendor/demo-data.tar.gz"),
        ),
        patches=(
            RecipeFile.of("one.patch", FILES["patches/one.patch"]),
            RecipeFile.of("two.patch", FILES["patches/two.patch"]),
        ),
        cythonize=("demo/*.pyx",),
        before_build=(RecipeFile.of("prepare.sh", FILES["hooks/prepare.sh"]),),
        after_build=(RecipeFile.of("tidy.sh", FILES["hooks/tidy.sh"]),),
        excluded_libraries=("libcuda.so.*",),
        denied_libraries=("libgpl*.so*",),
        grafted_beyond_policy=("libexpat.so.1",),
        denied_licenses=("AGPL-*",),
        max_grafted=3,
        policy_floor="manylinux_2_28",
        memory_bytes=4 << 30,
        cpus=1.5,
        time_seconds=5400,
        scratch_bytes=512 << 20,
        log_bytes=3 << 19,
        expected_extensions=("demo._c",),
        absent_extensions=("demo._win",),
        expected_gil="off",
        test_apt=("libglib2.0-0",),
        test_imports=("demo",),
        test_commands=("python smoke.py",),
        test_requires=("pytest>=8",),
        test_files=(RecipeFile.of("smoke.py", FILES["tests/smoke.py"]),),
        network=True,
    )
    assert effective(OTHER_KEYS) == EffectiveRecipe(is_pure=True)


def test_every_key_of_a_rule_is_merged_into_a_field_of_its_own() -> None:
    in_rules = {path[1:] for path in KEY_PATHS if path[:1] == ("rule",) and path[1:2] not in {(), ("when",)}}
    merged_whole = {("sources",)}
    tables = {path[:-1] for path in in_rules} - merged_whole
    assert set(MERGES) == {path for path in in_rules if path not in tables and path[:-1] not in merged_whole}
    fields = {field.name for field in dataclasses.fields(EffectiveRecipe)} - {"test_apt_on"}  # of the proof's places
    assert sorted(field for field, _ in MERGES.values()) == sorted(fields)


def test_contents_of_files_travel_whatever_their_encoding() -> None:
    assert [file.data for file in effective(EVERY_KEY).patches] == [b"--- a/setup.py\n", b"--- a/m\xfcll.c\n"]


def test_without_a_recipe_nothing_is_needed() -> None:
    assert merge_rules(None, version=Version("1"), target=TARGET, suite="bookworm") == EffectiveRecipe()


def test_lists_are_joined_in_order_without_repeats() -> None:
    recipe = merged("[[rule]]\napt = ['libb-dev', 'liba-dev']\n[[rule]]\napt = ['libc-dev', 'libb-dev']")
    assert recipe.apt == ("libb-dev", "liba-dev", "libc-dev")


def test_later_rule_has_the_last_word_on_a_tables_key() -> None:
    recipe = merged("[[rule]]\nenv = { CC = 'gcc', CFLAGS = '-O1' }\n[[rule]]\nenv = { CFLAGS = '-O2' }")
    assert dict(recipe.env) == {"CC": "gcc", "CFLAGS": "-O2"}


@pytest.mark.parametrize(
    ("rules", "field", "value"),
    [
        ("network = true\n[[rule]]\nnetwork = false", "network", False),
        ("network = true\n[[rule]]\napt = []", "network", True),
        ("repair.max-grafted = 5\n[[rule]]\nrepair.max-grafted = 0", "max_grafted", 0),
        ("expect.pure = true\n[[rule]]\nexpect.pure = false", "is_pure", False),
        ("limits.memory = '8GiB'\n[[rule]]\nlimits.memory = '1MiB'", "memory_bytes", 1 << 20),
        ("limits.memory = '8GiB'\n[[rule]]\nlimits.time = '90s'", "memory_bytes", 8 << 30),
    ],
)
def test_last_rule_that_has_a_single_value_decides(rules: str, field: str, value: object) -> None:
    assert getattr(merged(f"[[rule]]\n{rules}"), field) == value


def test_later_source_for_one_place_replaces_the_earlier_one() -> None:
    def source(url: str, to: str) -> str:
        return f"[[rule]]\nsources = [{{ url = 'http://{url}', sha256 = '{'a' * 64}', to = '{to}' }}]\n"

    recipe = merged(source("one", "x") + source("two", "y") + source("three", "./x"))
    assert [(file.url, file.to) for file in recipe.sources] == [("http://three", "x"), ("http://two", "y")]


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
        ("policy = 'manylinux_2_36'", True),
        ("policy = '>=manylinux_2_28,<manylinux_2_40'", True),
        ("policy = '<manylinux_2_36'", False),
        ("policy = '>manylinux_2_5'", True),
        ("policy = '>=musllinux_1_1'", False),
        ("architecture = ['x86_64']", True),
        ("architecture = ['aarch64']", False),
        ("version = '>=2', python = '>=3.14'", False),
        ("", True),
    ],
)
def test_rule_applies_only_when_all_of_its_conditions_hold(when: str, applies: bool) -> None:  # noqa: FBT001
    recipe = merged(f"[[rule]]\nwhen = {{ {when} }}\napt = ['libdemo-dev']")
    assert recipe.apt == (("libdemo-dev",) if applies else ())


def test_rule_for_versions_includes_their_prereleases() -> None:
    assert merged("[[rule]]\nwhen.version = '>=2'\napt = ['libdemo-dev']", version="3.0rc1").apt


def test_rule_for_a_policy_goes_by_what_was_asked_for_and_not_by_the_builder() -> None:
    target = Target.parse(python="3.13", platform="manylinux_2_39_x86_64")
    assert merged("[[rule]]\nwhen.policy = '>manylinux_2_36'\napt = ['libdemo-dev']", target=target).apt


PLACED = f"sha256 = '{'0a' * 32}', to = 'x'"
SAME = ("patches/one.patch", "patches/renamed.patch", "hooks/one.sh", "hooks/renamed.sh")
SEVERAL = {**dict.fromkeys(SAME, b"x"), "patches/other.patch": b"y", "tests/one.py": b"", "tests/renamed.py": b""}


def digest_of(rule: str) -> str:
    recipe = parse_recipe(f"{HEAD}[[rule]]\n{rule}", source="demo.toml", files=SEVERAL)
    return merge_rules(recipe, version=Version("1"), target=TARGET, suite="bookworm").digest


def test_digest_is_that_of_the_meaning_whatever_the_formatting() -> None:
    plain = merged(
        "[[rule]]\napt = ['liba-dev']\nenv = { A = '1', B = '2' }\nconfig-settings = { x = '1', y = '2' }\n"
        "limits.time = '90min'"
    )
    other = """
# The same in other words.
[[rule]]
when = { python = ">3" }
config-settings.y = "2"
config-settings.x = "1"
env = { "B" = "2" }
limits.time = "1h30min"
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


@pytest.mark.parametrize("field", [field for field, _ in MERGES.values()])
def test_each_key_changes_the_digest(field: str) -> None:
    full, other = effective(EVERY_KEY), dataclasses.replace(effective(OTHER_KEYS), unsupported="why")
    value = getattr(full, field) or getattr(other, field)
    assert value
    assert dataclasses.replace(EffectiveRecipe(), **{field: value}).digest != EffectiveRecipe().digest


def test_digests_of_different_keys_with_the_same_value_differ() -> None:
    rules = ["apt = ['a-x']", "dnf = ['a-x']", "build-requires.add = ['a-x']", "build-constraints = ['a-x']"]
    rules += ["expect.pure = true", "network = true", "repair.max-grafted = 0", "expect.pure = false"]
    assert len({merged(f"[[rule]]\n{rule}").digest for rule in rules}) == len(rules)


def test_digest_covers_the_contents_of_files() -> None:
    def digest(content: bytes) -> str:
        recipe = parse_recipe(
            f"{HEAD}[[rule]]\npatches = ['one.patch']", source="demo.toml", files={"patches/one.patch": content}
        )
        return merge_rules(recipe, version=Version("1"), target=TARGET, suite="bookworm").digest

    assert digest(b"-a\n") != digest(b"-b\n")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("apt = ['liba-dev', 'libb-dev']", "apt = ['libb-dev', 'liba-dev']"),
        ("build-constraints = ['cython<3', 'a>1']", "build-constraints = ['a > 1', 'Cython < 3']"),
        ("build-requires.add = ['Setuptools_SCM >=8,<9']", "build-requires.add = ['setuptools-scm<9,>=8']"),
        ("test.requires = ['x[b,a]']", "test.requires = ['X[a, b]']"),
        ("patches = ['one.patch']", "patches = ['renamed.patch']"),
        ("hooks.before-build = ['one.sh']", "hooks.before-build = ['renamed.sh']"),
        (f"sources = [{{ url = 'http://a/x', {PLACED} }}]", f"sources = [{{ url = 'http://b/x', {PLACED} }}]"),
    ],
)
def test_recipes_that_mean_the_same_have_the_same_digest(one: str, other: str) -> None:
    assert digest_of(one) == digest_of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("patches = ['one.patch', 'other.patch']", "patches = ['other.patch', 'one.patch']"),
        ("test.commands = ['a', 'b']", "test.commands = ['b', 'a']"),
        ("test.files = ['one.py']", "test.files = ['renamed.py']"),
        ("config-settings = { a = ['x', 'y'] }", "config-settings = { a = ['y', 'x'] }"),
        ("build-constraints = ['cython<3']", "build-constraints = ['cython<=3']"),
    ],
)
def test_recipes_that_mean_something_else_have_another_digest(one: str, other: str) -> None:
    assert digest_of(one) != digest_of(other)


def test_each_key_is_explained_by_file_rule_and_line() -> None:
    text = """\
schema = 1
name = "demo"
[[rule]]
apt = ["liba-dev",
  "libb-dev"]
env = { CC = "gcc", CFLAGS = "-O1" }
toolchains = ["rust>=1.85"]
[[rule]]
when.suite = ["trixie"]
when.version = "<2"
[[rule]]
env.CFLAGS = "-O2"
toolchains = ["rust"]
limits.memory = "1GiB"
"""
    recipe = parse_recipe(text, source="demo.toml")
    assert explain_keys(recipe, PLACE) == (
        KeyOrigin(key="apt", value="liba-dev", rule=1, line=4, counts=True),
        KeyOrigin(key="apt", value="libb-dev", rule=1, line=5, counts=True),
        KeyOrigin(key="toolchains", value="rust>=1.85", rule=1, line=7, counts=True),
        KeyOrigin(key="env.CC", value="gcc", rule=1, line=6, counts=True),
        KeyOrigin(key="env.CFLAGS", value="-O1", rule=1, line=6, counts=False),
        KeyOrigin(key="toolchains", value="rust", rule=3, line=13, counts=False),
        KeyOrigin(key="env.CFLAGS", value="-O2", rule=3, line=12, counts=True),
        KeyOrigin(key="limits.memory", value=1 << 30, rule=3, line=14, counts=True),
    )
    assert skipped_rules(recipe, PLACE) == (SkippedRule(rule=2, line=8, mismatches=("version", "suite")),)


def test_every_key_that_has_an_effect_is_explained() -> None:
    origins = explain_keys(parse_recipe(EVERY_KEY, source="demo.toml", files=FILES), PLACE)
    assert all(origin.counts and origin.line for origin in origins)
    explained = {origin.key for origin in origins}
    unsaid = [path for path in MERGES if not any(key.startswith(".".join(path)) for key in explained)]
    assert unsaid == [("expect", "pure"), ("unsupported",)]


@pytest.mark.parametrize(
    ("to", "meant"), [("vendor/", "vendor/"), ("./vendor//x/", "vendor/x/"), ("vendor/./x", "vendor/x")]
)
def test_source_keeps_the_slash_that_makes_its_place_a_folder(to: str, meant: str) -> None:
    rule = f"[[rule.sources]]\nurl = 'https://files.example/x'\nsha256 = '{'0a' * 32}'\nto = '{to}'"
    assert merged(f"[[rule]]\n{rule}").sources[0].to == meant
