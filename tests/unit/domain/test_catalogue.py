"""The catalogue: what it accepts, what it says about mistakes, which builder it chooses, when a definition changes."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from wheelyard.domain.catalogue.catalogue import Catalogue, parse_catalogue
from wheelyard.domain.catalogue.definition import (
    DefinitionFacts,
    base_definition,
    builder_definition,
    environment_definition,
    python_definition,
    runtime_definition,
)
from wheelyard.domain.packaging.target import Target
from wheelyard.errors import CatalogueInvalidError, SuiteUnsupportedError, UnknownTargetError

BUILDERS = Path(__file__).parents[3] / "builders"
SHIPPED = (BUILDERS / "builders.toml").read_text()
FACTS = DefinitionFacts(dockerfile="FROM base", tools_lock="build==1", architecture="x86_64")
PACKAGES = 'packages = { runtime = ["libssl3"], build = ["gcc"], python = ["libssl-dev"] }'


def python_entry(name: str) -> str:
    return f"""
[[python."{name}".source]]
version = "{name}.1"
sha256 = "{name.replace(".", "0"):0>64}"
file = "Python-{name}.1.tar.xz"
mirrors = ["https://mirror.test/Python-{name}.1.tar.xz"]
"""


def suite_entry(name: str, policy: str, pythons: str = '["3.13"]') -> str:
    return f"""
[suite.{name}]
policy = "{policy}"
architectures = ["x86_64"]
pythons = {pythons}
{PACKAGES}
"""


HEAD = """
schema = 1
source-date-epoch = 0
[default]
python = "3.13"
platform = "manylinux_2_36_x86_64"
[tools]
python = "3.13"
"""


@pytest.fixture
def catalogue() -> Catalogue:
    both = '["3.13", "3.11"]'
    suites = suite_entry("bookworm", "manylinux_2_36", both) + suite_entry("bullseye", "manylinux_2_31")
    return parse_catalogue(HEAD + python_entry("3.13") + python_entry("3.11") + suites)


def problems_of(text: str) -> list[str]:
    with pytest.raises(CatalogueInvalidError) as caught:
        parse_catalogue(text)
    return list(caught.value.problems)


def target(platform: str, python: str = "3.13") -> Target:
    return Target.parse(python=python, platform=platform)


def test_shipped_catalogue_serves_its_default_target() -> None:
    shipped = parse_catalogue(SHIPPED)
    default = Target.parse(python=shipped.default.python, platform=shipped.default.platform)
    assert shipped.builder_for(default).suite == "bookworm"
    floors = {name: suite.policy for name, suite in shipped.own_suites.items()}
    assert floors == {"bullseye": "manylinux_2_31", "bookworm": "manylinux_2_36", "trixie": "manylinux_2_41"}
    assert [name for name, suite in shipped.own_suites.items() if suite.warning] == ["bullseye"]
    assert all({"3.11", "3.13"} <= set(suite.pythons) for suite in shipped.own_suites.values())


def test_shipped_files_name_no_host_but_upstreams() -> None:
    texts = [(BUILDERS / name).read_text() for name in ("builders.toml", "Dockerfile", "tools.in", "tools.lock")]
    assert {host for text in texts for host in re.findall(r"://([^/\s\"]+)", text)} == {"www.python.org"}


@pytest.mark.parametrize(
    ("platform", "suite"),
    [
        ("manylinux_2_36_x86_64", "bookworm"),
        ("manylinux_2_41_x86_64", "bookworm"),
        ("manylinux_2_35_x86_64", "bullseye"),
        ("manylinux_2_31_x86_64", "bullseye"),
    ],
)
def test_builder_is_the_newest_that_is_not_newer_than_the_target(
    catalogue: Catalogue, platform: str, suite: str
) -> None:
    assert catalogue.builder_for(target(platform)).suite == suite


@pytest.mark.parametrize(
    ("platform", "python"),
    [("manylinux_2_28_x86_64", "3.13"), ("manylinux_2_36_aarch64", "3.13"), ("manylinux_2_31_x86_64", "3.11")],
)
def test_target_that_no_builder_serves_is_refused_with_those_that_are(
    catalogue: Catalogue, platform: str, python: str
) -> None:
    with pytest.raises(UnknownTargetError, match=r"Python 3\.11 on manylinux_2_36_x86_64"):
        catalogue.builder_for(target(platform, python))


def test_every_problem_is_reported_at_once_with_the_nearest_known_key() -> None:
    text = SHIPPED.replace("\npolicy =", "\npolcy =").replace("\nmirrors =", "\nmirors =")
    problems = problems_of(text)
    assert any("polcy" in problem and "did you mean 'policy'?" in problem for problem in problems)
    assert any("mirors" in problem and "did you mean 'mirrors'?" in problem for problem in problems)


def test_unknown_python_is_named_with_the_nearest_known_one() -> None:
    text = HEAD + python_entry("3.13") + suite_entry("bookworm", "manylinux_2_36", '["3.13", "3.12"]')
    assert problems_of(text) == ["suite.bookworm.pythons: unknown Python '3.12', did you mean '3.13'?"]


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ('sha256 = "1e66', 'sha256 = "XX66', "python.3.13.source.1.sha256"),
        ('version = "3.13.15"', 'version = "3.12.15"', "python.3.13.source.1.version"),
        ('policy = "manylinux_2_36"', 'policy = "glibc_2_36"', "suite.bookworm.policy"),
        ('"g++"', '"g++; rm -rf /"', "suite.bookworm.packages.build"),
        ("configure = []", 'configure = ["$(id)"]', "python.3.13.configure"),
        ("schema = 1", "schema = 2", "schema"),
    ],
)
def test_bad_value_is_refused_by_its_place(old: str, new: str, place: str) -> None:
    assert old in SHIPPED
    assert any(problem.startswith(place) for problem in problems_of(SHIPPED.replace(old, new)))


def test_text_that_is_not_toml_is_refused() -> None:
    assert problems_of("schema = ")[0].startswith("it is not TOML")


def test_new_python_changes_only_what_carries_it(catalogue: Catalogue) -> None:
    (source,) = catalogue.python["3.11"].source
    newer = catalogue.python["3.11"].model_copy(update={"source": (source.model_copy(update={"sha256": "f" * 64}),)})
    changed = catalogue.model_copy(update={"python": {**catalogue.python, "3.11": newer}})
    for suite, python, same in (("bookworm", "3.11", False), ("bookworm", "3.13", True), ("bullseye", "3.13", True)):
        before = builder_definition(catalogue, FACTS, suite=suite, python=python)
        assert (before == builder_definition(changed, FACTS, suite=suite, python=python)) is same
    before = runtime_definition(catalogue, FACTS, suite="bookworm", python="3.13")
    assert before == runtime_definition(changed, FACTS, suite="bookworm", python="3.13")


def test_free_threaded_python_is_made_of_the_sources_of_the_other(catalogue: Catalogue) -> None:
    free = catalogue.cpython("3.13t")
    assert free.source == catalogue.python["3.13"].source
    assert free.configure == (*catalogue.python["3.13"].configure, "--disable-gil")
    definitions = {python_definition(catalogue, FACTS, suite="bookworm", python=name) for name in ("3.13", "3.13t")}
    assert len(definitions) == 2


def test_free_threaded_python_of_an_unknown_one_is_refused() -> None:
    text = HEAD + python_entry("3.13") + suite_entry("bookworm", "manylinux_2_36", '["3.13", "3.13t", "3.14t"]')
    assert problems_of(text) == ["suite.bookworm.pythons: unknown Python '3.14t', did you mean '3.13'?"]


def test_new_mirror_changes_no_image(catalogue: Catalogue) -> None:
    (source,) = catalogue.python["3.13"].source
    elsewhere = source.model_copy(update={"mirrors": ("https://other.test/p.tar.xz",)})
    moved = catalogue.python["3.13"].model_copy(update={"source": (elsewhere,)})
    changed = catalogue.model_copy(update={"python": {**catalogue.python, "3.13": moved}})
    before = builder_definition(catalogue, FACTS, suite="bookworm", python="3.13")
    assert before == builder_definition(changed, FACTS, suite="bookworm", python="3.13")


def test_new_tools_change_the_builder_and_no_python(catalogue: Catalogue) -> None:
    newer = DefinitionFacts(dockerfile="FROM base", tools_lock="build==2", architecture="x86_64")
    before = builder_definition(catalogue, FACTS, suite="bookworm", python="3.13")
    assert before != builder_definition(catalogue, newer, suite="bookworm", python="3.13")
    assert python_definition(catalogue, FACTS, suite="bookworm", python="3.13") == python_definition(
        catalogue, newer, suite="bookworm", python="3.13"
    )


def test_operators_mirror_changes_the_base(catalogue: Catalogue) -> None:
    other = DefinitionFacts(
        dockerfile="FROM base",
        tools_lock="build==1",
        architecture="x86_64",
        environment=(("apt-mirror", "https://mirror.test"),),
    )
    assert base_definition(catalogue, FACTS, suite="bookworm") != base_definition(catalogue, other, suite="bookworm")


def test_environment_is_the_same_in_any_order_and_another_on_another_builder() -> None:
    one = environment_definition(builder="sha256:a", packages=("libyaml-dev", "libxml2-dev"))
    assert one == environment_definition(builder="sha256:a", packages=("libxml2-dev", "libyaml-dev", "libxml2-dev"))
    assert one != environment_definition(builder="sha256:b", packages=("libyaml-dev", "libxml2-dev"))


def test_catalogue_on_one_architecture_offers_nothing_of_another() -> None:
    here = parse_catalogue(SHIPPED).on("x86_64")
    assert {builder.policy.architecture for builder in here.builders()} == {"x86_64"}
    assert list(parse_catalogue(SHIPPED).on("riscv64").builders()) == []


FOREIGN = """
[suite.manylinux]
kind = "image"
policy = "musllinux_1_2"
architectures = ["x86_64"]
pythons = ["3.13"]
image = "mirror.test/musllinux_1_2:latest"
package-manager = "apk"
python-path = "/opt/python/{tag}/bin/python"
"""


def test_image_of_others_without_a_runtime_offers_no_target_and_is_refused_by_name() -> None:
    catalogue = parse_catalogue(HEAD + python_entry("3.13") + suite_entry("bookworm", "manylinux_2_36") + FOREIGN)
    assert set(catalogue.suite) == {"bookworm", "manylinux"}
    assert {choice.suite for choice in catalogue.builders()} == {"bookworm"}
    with pytest.raises(SuiteUnsupportedError, match=r"'manylinux' is the external image mirror\.test/.* \(apk\)"):
        builder_definition(catalogue, FACTS, suite="manylinux", python="3.13")


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ('"apk"', '"yum"', "suite.manylinux.package-manager"),
        ('kind = "image"', 'kind = "chroot"', "suite.manylinux"),
        ('musllinux_1_2"\narch', 'muslinux"\narch', "suite.manylinux.policy"),
        ("python-path", "python-paht", "suite.manylinux.python-paht"),
    ],
)
def test_mistake_in_an_image_of_others_is_refused_by_its_place(old: str, new: str, place: str) -> None:
    text = HEAD + python_entry("3.13") + suite_entry("bookworm", "manylinux_2_36") + FOREIGN
    assert old in text
    assert any(problem.startswith(place) for problem in problems_of(text.replace(old, new)))


def test_suite_may_have_a_mirror_and_components_of_its_own(catalogue: Catalogue) -> None:
    entry = catalogue.own_suites["bookworm"].model_copy(update={"components": ("main", "universe")})
    other = catalogue.model_copy(update={"suite": {**catalogue.suite, "bookworm": entry}})
    assert base_definition(catalogue, FACTS, suite="bookworm") != base_definition(other, FACTS, suite="bookworm")


SNAPSHOT = """snapshot = "20261101T000000Z"
mirror = "https://past.test/debian/{snapshot}"
security-mirror = "https://past.test/debian-security/{snapshot}"
"""


def test_moment_of_the_archive_changes_the_base(catalogue: Catalogue) -> None:
    past, later = (
        parse_catalogue(
            HEAD + python_entry("3.13") + suite_entry("bookworm", "manylinux_2_36") + SNAPSHOT.replace("01T", day)
        )
        for day in ("01T", "02T")
    )
    assert past.own_suites["bookworm"].mirrors == (
        "https://past.test/debian/20261101T000000Z",
        "https://past.test/debian-security/20261101T000000Z",
    )
    digests = {base_definition(one, FACTS, suite="bookworm") for one in (catalogue, past, later)}
    assert len(digests) == 3


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("20261101T000000Z", "2026-11-01", "suite.bookworm.snapshot: "),
        ("/debian/{snapshot}", "/debian", "suite.bookworm.mirror: it has no {snapshot}"),
        ("-security/{snapshot}", "-security", "suite.bookworm.security-mirror: it has no {snapshot}"),
        ('snapshot = "20261101T000000Z"', "", "suite.bookworm.snapshot: it is missing"),
    ],
)
def test_moment_without_its_mirrors_is_refused(old: str, new: str, place: str) -> None:
    text = HEAD + python_entry("3.13") + suite_entry("bookworm", "manylinux_2_36") + SNAPSHOT.replace(old, new)
    assert any(problem.startswith(place) for problem in problems_of(text))


def test_later_stage_compiles_no_python_again(catalogue: Catalogue) -> None:
    stages = "FROM ${BASE} AS base\n\nFROM ${PYTHONS} AS pythons\nFROM bare AS runtime\n"
    before, after = (
        replace(FACTS, dockerfile=text) for text in (stages, stages.replace("bare AS runtime", "base AS runtime"))
    )
    for define, same in ((python_definition, True), (runtime_definition, False), (builder_definition, False)):
        digests = {define(catalogue, facts, suite="bookworm", python="3.13") for facts in (before, after)}
        assert (len(digests) == 1) is same
