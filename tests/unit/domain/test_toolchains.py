"""Toolchains: how recipes ask for them, which suites have them, and what it means for a build's key."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from packaging.version import Version
from tests.fakes.builds import MemoryBuilds
from tests.fakes.images import MemoryRecipes
from tests.fakes.records import MemoryState
from tests.fakes.sources import MemorySourceIndex
from tests.unit.domain.test_catalogue import HEAD, python_entry, suite_entry
from tests.unit.recipe_texts import parse_recipe

from wheelyard.adapters.images.plans import toolchain_build
from wheelyard.adapters.recipes.folders import list_recipe_files, read_recipe
from wheelyard.domain.builds.records import BuildFilter
from wheelyard.domain.catalogue.catalogue import Catalogue, choose_toolchains, parse_catalogue
from wheelyard.domain.catalogue.definition import toolchain_definition
from wheelyard.domain.catalogue.images import ImageRecord
from wheelyard.domain.healing.findings import FindingKind
from wheelyard.domain.healing.log_findings import read_findings
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.recipes.merge import merge_rules
from wheelyard.domain.toolchain import ToolchainName, ToolchainNeed, merge_needs
from wheelyard.errors import CatalogueInvalidError, RecipeInvalidError, ToolchainTooOldError
from wheelyard.usecases.request_build import BuilderFacts, BuildRequest, RequestBuild

ROOT = Path(__file__).parents[3]
TARGET = Target.parse(python="3.13", platform="manylinux_2_36_x86_64")
TOOLCHAINS = """
[toolchain.rust]
version-command = ["rustc", "--version"]
env = { CARGO_TERM_COLOR = "never" }
suite.old = { version = "1.63", apt = ["rustc/old", "cargo"] }
suite.new = { version = "1.85", apt = ["rustc-web", "cargo-web"] }
[toolchain.java]
version-command = ["javac", "-version"]
suite.new = { version = "21", apt = ["default-jdk-headless"] }
"""
BUILDER = ImageRecord(
    id="sha256:b1", tags=(), role="builder", definition="d", labels={}, size_bytes=1, created="2026-01-01"
)


@pytest.fixture
def catalogue() -> Catalogue:
    suites = suite_entry("old", "manylinux_2_31") + suite_entry("new", "manylinux_2_36")
    return parse_catalogue(HEAD + python_entry("3.13") + suites + TOOLCHAINS)


def needs_of(*rules: str) -> tuple[str, ...]:
    text = 'schema = 1\nname = "a"\n' + "".join(f"[[rule]]\n{rule}\n" for rule in rules)
    recipe = parse_recipe(text, source="a.toml")
    return merge_rules(recipe, version=Version("1"), target=TARGET, suite="new").toolchains


@pytest.mark.parametrize("text", ["rust", "rust>=1.85", "rust >= 1.85"])
def test_need_is_a_name_with_an_optional_floor(text: str) -> None:
    need = ToolchainNeed.parse(text)
    assert need.name is ToolchainName.RUST
    assert str(need) == text.replace(" ", "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rsut", "did you mean 'rust'?"),
        ("cobol", "not one of bazel, fortran, java, rust"),
        ("rust<2", "is not a toolchain with an optional floor"),
        ("rust>=new", "is not a toolchain with an optional floor"),
    ],
)
def test_wrong_need_is_a_problem_of_the_recipe(text: str, said: str) -> None:
    with pytest.raises(RecipeInvalidError) as caught:
        needs_of(f'toolchains = ["{text}"]')
    assert said in str(caught.value)


def test_rules_are_merged_to_the_highest_floor_in_one_order() -> None:
    assert needs_of('toolchains = ["rust>=1.9", "java"]', 'toolchains = ["rust>=1.85", "fortran"]', "") == (
        *("fortran", "java"),
        "rust>=1.85",
    )
    assert merge_needs([ToolchainNeed.parse("rust>=1.85"), ToolchainNeed.parse("rust")])[0].floor == Version("1.85")


def test_recipe_digest_covers_toolchains() -> None:
    def digest(rule: str) -> str:
        recipe = parse_recipe(f'schema = 1\nname = "a"\n[[rule]]\n{rule}', source="a.toml")
        return merge_rules(recipe, version=Version("1"), target=TARGET, suite="new").digest

    assert len({digest(""), digest('toolchains = ["rust"]'), digest('toolchains = ["rust>=1.85"]')}) == 3
    assert digest('toolchains = ["rust", "java"]') == digest('toolchains = ["java", "rust"]')


def test_floor_that_the_suite_meets_is_served(catalogue: Catalogue) -> None:
    names = choose_toolchains(catalogue, ["java", "rust>=1.85"], suite="new")
    assert names == (ToolchainName.JAVA, ToolchainName.RUST)


def test_floor_that_the_suite_does_not_meet_names_have_want_and_where_to_go(catalogue: Catalogue) -> None:
    with pytest.raises(ToolchainTooOldError) as caught:
        choose_toolchains(catalogue, ["rust>=1.85"], suite="old")
    error = caught.value
    assert (error.have, error.want, error.others) == ("1.63", "rust>=1.85", ("new",))
    assert str(error).startswith("The recipe wants rust>=1.85, and the builder of old has rust 1.63.")


def test_toolchain_that_the_suite_has_not_is_refused(catalogue: Catalogue) -> None:
    with pytest.raises(ToolchainTooOldError, match="the builder of old has no java") as caught:
        choose_toolchains(catalogue, ["java"], suite="old")
    assert caught.value.have is None
    with pytest.raises(ToolchainTooOldError, match="No suite of this Wheelyard has a newer one"):
        choose_toolchains(catalogue, ["bazel"], suite="new")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("new = { version", "neu = { version"), "unknown suite 'neu', did you mean 'new'?"),
        (("[toolchain.java]", "[toolchain.jaba]"), "toolchain.jaba"),
        (("env = {", "evn = {"), "did you mean 'env'?"),
        (("1.63", "1.63~beta"), "toolchain.rust.suite.old.version"),
    ],
)
def test_wrong_toolchain_in_the_catalogue_is_named(change: tuple[str, str], said: str) -> None:
    suites = suite_entry("old", "manylinux_2_31") + suite_entry("new", "manylinux_2_36")
    with pytest.raises(CatalogueInvalidError) as caught:
        parse_catalogue(HEAD + python_entry("3.13") + suites + TOOLCHAINS.replace(*change))
    assert said in str(caught.value)


def test_definition_changes_with_what_the_toolchain_is(catalogue: Catalogue) -> None:
    def define(book: Catalogue, *, suite: str = "new", builder: str = "b1") -> str:
        return toolchain_definition(book, ToolchainName.RUST, suite=suite, builder=builder)

    text = HEAD + python_entry("3.13") + suite_entry("old", "manylinux_2_31") + suite_entry("new", "manylinux_2_36")
    other = parse_catalogue(text + TOOLCHAINS.replace("CARGO_TERM_COLOR", "RUST_BACKTRACE"))
    assert len({define(catalogue), define(catalogue, suite="old"), define(catalogue, builder="b2"), define(other)}) == 4


def test_layer_installs_the_packages_and_says_what_it_holds(catalogue: Catalogue) -> None:
    name, build = toolchain_build(catalogue, ToolchainName.RUST, suite="new", builder=BUILDER)
    assert name.tag.startswith("wheelyard/toolchain-new-rust:")
    assert "apt-get install --yes --no-install-recommends --no-remove rustc-web cargo-web" in build.dockerfile
    assert build.dockerfile.startswith("FROM sha256:b1\n")
    assert build.dockerfile.endswith("USER 1000:1000\n")
    (fact,) = build.files
    assert fact.content == b'{"env": {"CARGO_TERM_COLOR": "never"}, "version_command": ["rustc", "--version"]}'


def test_layer_on_a_layer_lists_both(catalogue: Catalogue) -> None:
    below = replace(BUILDER, labels={"toolchains": "java"})
    _, build = toolchain_build(catalogue, ToolchainName.RUST, suite="new", builder=below)
    assert build.labels["toolchains"] == "java,rust"


async def test_request_whose_floor_is_not_met_is_refused_and_nothing_is_queued(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    source, state = MemorySourceIndex(tmp_path), MemoryState(clock=lambda: datetime.now(UTC))
    source.add("demo-1.0.tar.gz", b"sdist")
    text = 'schema = 1\nname = "demo"\n[[rule]]\ntoolchains = ["rust>=1.99"]'
    facts = BuilderFacts(
        catalogue=catalogue,
        definitions={("x86_64", suite, "3.13"): "d" for suite in catalogue.suite},
        agent_digest="a",
        build_number=1,
    )
    recipes = MemoryRecipes(parse_recipe(text, source="demo.toml"))
    request = RequestBuild(source=source, store=MemoryBuilds(state), recipes=recipes, facts=facts)
    with pytest.raises(ToolchainTooOldError):
        await request(BuildRequest(requirement="demo", python="3.13", platform=str(TARGET.policy), requested_by="me"))
    assert (await MemoryBuilds(state).list_builds(BuildFilter())).builds == ()


@pytest.mark.parametrize(
    ("log", "toolchain"),
    [
        ("error: can't find Rust compiler", "rust"),
        ("meson.build:1:0: ERROR: Unknown compiler(s): [['gfortran'], ['flang']]", "fortran"),
        ("CMake Error: Could NOT find Java", "java"),
        ("Could NOT find ANT_EXECUTABLE", "java"),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'bazel'", "bazel"),
    ],
)
def test_log_that_misses_a_toolchain_says_what_to_put_into_the_recipe(log: str, toolchain: str) -> None:
    found = read_findings(log)[0]
    assert (found.kind, found.name) == (FindingKind.TOOLCHAIN, toolchain)
    assert found.remedy == f'Put toolchains = ["{toolchain}"] into the recipe.'


def test_shipped_recipes_ask_for_toolchains_that_the_default_suite_has() -> None:
    book = parse_catalogue((ROOT / "builders" / "builders.toml").read_text())
    target = Target.parse(python=book.default.python, platform=book.default.platform)
    suite = book.builder_for(target).suite
    asked: set[ToolchainName] = set()
    for file in list_recipe_files(ROOT / "recipes"):
        recipe = read_recipe(file)
        effective = merge_rules(recipe, version=Version("9999"), target=target, suite=suite)
        asked.update(choose_toolchains(book, effective.toolchains, suite=suite))
    assert asked >= {ToolchainName.RUST, ToolchainName.FORTRAN, ToolchainName.JAVA}
