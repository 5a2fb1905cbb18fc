"""What is read back of a build from the provenance that we wrote, and what is refused of one that others wrote."""

import json
from collections.abc import Callable
from dataclasses import fields, replace

import pytest
from tests.contract.samples import TARGET, sample_order
from tests.unit.recorded_samples import (
    BUILDER,
    CONTENT,
    FILE,
    PACKAGE,
    REQUIREMENT,
    order_with,
    predicate_of,
    provenance_of,
    read,
)

from wheelyard.domain.builds.build import BuildOrder, SdistSource, SourceKind
from wheelyard.domain.provenance.recorded import MOST_BYTES, RecordedBuild, RecordedImage, RecordedWheel
from wheelyard.domain.recipes.effective import EffectiveRecipe, RecipeFile, SourceFile
from wheelyard.errors import NotRebuildableError

EVERY_KEY = EffectiveRecipe(
    apt=("libyaml-dev",),
    dnf=("libyaml-devel",),
    apk=("yaml-dev",),
    toolchains=("rust>=1.70",),
    env=(("CC", "clang"),),
    config_settings=(("one", "1"), ("several", ("2", "3"))),
    build_requires=("cython",),
    dropped_requires=("cmake",),
    build_constraints=("cython<4",),
    sources=(SourceFile(url="https://files.example/one.tar.gz", sha256="ab" * 32, to="vendor/"),),
    patches=(RecipeFile.of("0001.patch", b"--- a\n"),),
    cythonize=("**/*.pyx",),
    before_build=(RecipeFile.of("before.sh", b"true\n"),),
    after_build=(RecipeFile.of("after.sh", b"true\n"),),
    excluded_libraries=("libcuda.so.*",),
    denied_libraries=("libssl.so.*",),
    denied_licenses=("AGPL-*",),
    grafted_beyond_policy=("libexpat.so.*",),
    max_grafted=3,
    policy_floor="manylinux_2_28",
    memory_bytes=1 << 30,
    cpus=2,
    time_seconds=60,
    scratch_bytes=1 << 20,
    log_bytes=1 << 16,
    expected_extensions=("yaml._yaml",),
    absent_extensions=("yaml._other",),
    is_pure=False,
    expected_gil="off",
    test_apt=("libx11-6",),
    test_apt_on=(("trixie 3.13", ("libx11-6",)),),
    test_imports=("yaml",),
    test_commands=("true",),
    test_requires=("pytest",),
    test_files=(RecipeFile.of("test.py", b"pass\n"),),
    network=True,
    unsupported="never",
)


def test_what_was_written_of_a_build_is_read_back() -> None:
    order = sample_order()
    assert replace(read(provenance_of(predicate_of(order))), recipe={}) == RecordedBuild(
        filename=FILE,
        project="pyyaml",
        version="6.0.3",
        target=TARGET,
        suite="bookworm",
        build_number=4,
        sdist_sha256="ab" * 32,
        recipe={},
        recipe_digest=order.recipe.digest,
        requirements=(RecordedWheel(filename=REQUIREMENT.filename, sha256="cd" * 32),),
        builder=RecordedImage(
            id=BUILDER,
            packages=frozenset({("libyaml-dev", "0.2.5-1")}),
            pythons=frozenset({("3.13.9", "ee" * 32)}),
        ),
        agent_sha256="5a" * 32,
    )


@pytest.mark.parametrize("name", [one.name for one in fields(EffectiveRecipe)])
def test_every_key_of_a_recipe_comes_back_as_it_was(name: str) -> None:
    recipe = replace(EffectiveRecipe(), **{name: getattr(EVERY_KEY, name)})
    assert recipe != EffectiveRecipe(), "the test gives every key another value than its default"
    order = order_with(recipe)
    assert read(provenance_of(predicate_of(order))).pin(order) == order


def test_healed_recipe_replaces_that_of_today() -> None:
    healed = replace(EffectiveRecipe(), apt=("libyaml-dev",), build_constraints=("setuptools<81",))
    recorded = read(provenance_of(predicate_of(order_with(healed))))
    today = order_with(EffectiveRecipe())
    assert recorded.pin(today) == replace(today, recipe=healed, recipe_digest=healed.digest)


def test_another_recipe_file_of_today_is_named() -> None:
    recorded = read(provenance_of(predicate_of(order_with(EVERY_KEY))))
    today = order_with(replace(EVERY_KEY, patches=(RecipeFile.of("0001.patch", b"--- b\n"),)))
    with pytest.raises(NotRebuildableError, match=r"hashes only.*patches 0001\.patch\. Give the recipes.*--recipes"):
        recorded.pin(today)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda order: replace(order, sdist=replace(order.sdist, sha256="ff" * 32)), "with another hash"),
        (lambda order: replace(order, builder="trixie"), "built on trixie today, and was on bookworm"),
    ],
)
def test_what_cannot_be_as_it_was_is_refused(change: Callable[[BuildOrder], BuildOrder], reason: str) -> None:
    order = sample_order()
    recorded = read(provenance_of(predicate_of(order)))
    with pytest.raises(NotRebuildableError, match=reason):
        recorded.pin(change(order))


def test_recipe_with_another_digest_than_stated_is_refused() -> None:
    order = order_with(replace(EffectiveRecipe(), apt=("libyaml-dev",)))
    predicate = json.loads(json.dumps(predicate_of(order)))
    predicate["buildDefinition"]["externalParameters"]["recipe"]["keys"]["apt"] = ["netcat"]
    with pytest.raises(NotRebuildableError, match="another digest than it states"):
        read(provenance_of(predicate)).pin(order)


def test_wheel_that_was_not_built_from_a_release_is_refused() -> None:
    source = SdistSource(filename=FILE, url="upload:1", sha256="ab" * 32, size_bytes=1, kind=SourceKind.WHEEL)
    with pytest.raises(NotRebuildableError, match="came about as 'brought'"):
        read(provenance_of(predicate_of(replace(sample_order(), sdist=source))))


def test_statement_about_other_bytes_is_refused() -> None:
    with pytest.raises(NotRebuildableError, match="no statement on how a file with this name and these bytes"):
        read(provenance_of(predicate_of(sample_order()), sha256="00" * 32))


def alter(*path: str | int, value: object) -> bytes:
    """Return a provenance with one value replaced."""
    predicate = json.loads(json.dumps(predicate_of(order_with(EVERY_KEY))))
    place = predicate
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return provenance_of(predicate)


ASKED = ("buildDefinition", "externalParameters")
KEYS = (*ASKED, "recipe", "keys")


@pytest.mark.parametrize(
    ("provenance", "reason"),
    [
        (b"", "its provenance cannot be read"),
        (b"[]", "its provenance cannot be read"),
        (b"{}", "its provenance cannot be read"),
        (b"[" * 5000, "its provenance cannot be read"),
        (b" " * (MOST_BYTES + 1), "its provenance cannot be read"),
        (provenance_of({}), "its provenance cannot be read"),
        (alter(*ASKED, "project", value="other"), "it is about other 6.0.3"),
        (alter(*ASKED, "project", value="../pyyaml"), "its provenance cannot be read"),
        (alter(*ASKED, "version", value="6.0.3; x"), "its provenance cannot be read"),
        (alter(*ASKED, "target", value={"python": 3.13, "platform": "x"}), "is no text"),
        (alter(*KEYS, "shell", value="rm"), "a key 'shell', which recipes do not have"),
        (alter(*KEYS, "apt", value="libyaml-dev"), "the recipe's apt has a value of another kind"),
        (alter(*KEYS, "apt", value=[1]), "the recipe's apt has a value of another kind"),
        (alter(*KEYS, "env", value=[["CC"]]), "the recipe's env has a value of another kind"),
        (alter(*KEYS, "network", value=1), "the recipe's network has a value of another kind"),
        (alter(*KEYS, "max_grafted", value=True), "the recipe's max_grafted has a value of another kind"),
        (alter(*KEYS, "sources", value=[{"url": "x", "sha256": "y", "to": "z"}]), "'y' is no sha256"),
        (alter(*KEYS, "patches", value={"one": "two"}), "'two' is no sha256"),
        (alter("buildDefinition", "resolvedDependencies", value=[]), "its provenance cannot be read"),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_reason(provenance: bytes, reason: str) -> None:
    with pytest.raises(NotRebuildableError, match=reason):
        read(provenance)


def test_changes_of_an_image_are_named() -> None:
    recorded = read(provenance_of(predicate_of(sample_order()))).builder
    assert recorded.changes(CONTENT) == ()
    newer, more = replace(PACKAGE, version="0.2.5-2"), replace(PACKAGE, name="zlib1g", version="1.3")
    assert recorded.changes(replace(CONTENT, packages=(newer, more), pythons=(("3.13.10", "00" * 32),))) == (
        "libyaml-dev 0.2.5-2 in place of 0.2.5-1",
        "zlib1g 1.3 more",
        "Python 3.13.10 in place of 3.13.9, or of another source",
    )
    assert recorded.changes(replace(CONTENT, packages=())) == ("libyaml-dev 0.2.5-1 is missing",)
