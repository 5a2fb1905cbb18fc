"""Tests of recipes that follow from what builds needed."""

from packaging.version import Version

from wheelyard.domain.healing.healing import Inference, InferenceSource
from wheelyard.domain.healing.inferred_recipe import InferredFor, extend_recipe, has_value, write_recipe
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.recipes.effective import EffectiveRecipe
from wheelyard.domain.recipes.merge import merge_rules
from wheelyard.domain.recipes.recipe import Naming, judge_text

_TARGET = Target.parse(python="3.13", platform="manylinux_2_36_x86_64")


_BUILT = InferredFor(project="spam", version="1.2", suite="bookworm")


def _inference(key: str, value: str, reason: str = "a reason") -> Inference:
    return Inference(key=key, value=value, source=InferenceSource.FAILURE, reason=reason)


_EVERY = (
    _inference("apt", "libfftw3-dev"),
    _inference("toolchains", "rust>=1.80"),
    _inference("build-requires.add", "cmake"),
    _inference("build-constraints", "setuptools<=68.0"),
    _inference("test.apt", "libglib2.0-0"),
)


def _merged(text: str, version: str, suite: str = "bookworm") -> EffectiveRecipe:
    recipe, problems = judge_text(text, source="test", files={}, naming=Naming())
    assert list(problems) == []
    return merge_rules(recipe, version=Version(version), target=_TARGET, suite=suite)


def test_written_recipe_means_what_the_build_had() -> None:
    text = write_recipe(_BUILT, _EVERY)

    assert _merged(text, "1.2") == extend_recipe(EffectiveRecipe(), _EVERY)


def test_constraint_is_for_its_release_alone() -> None:
    text = write_recipe(_BUILT, _EVERY)

    assert _merged(text, "1.3").build_constraints == ()
    assert _merged(text, "1.3").apt == ("libfftw3-dev",)


def test_packages_are_for_the_suite_whose_names_they_have() -> None:
    text = write_recipe(_BUILT, _EVERY)

    assert _merged(text, "1.2", "trixie").apt == ()
    assert _merged(text, "1.2", "trixie").toolchains == ("rust>=1.80",)


def test_hostile_reason_stays_a_comment() -> None:
    text = write_recipe(_BUILT, [_inference("apt", "libx-dev", 'x"]\nnetwork = true\n#')])

    assert _merged(text, "1.2") == EffectiveRecipe(apt=("libx-dev",))


def test_nothing_makes_no_recipe() -> None:
    assert write_recipe(_BUILT, []) == ""


def test_lower_floor_of_a_toolchain_is_nothing_new() -> None:
    recipe = EffectiveRecipe(toolchains=("rust>=1.80",))

    assert has_value(recipe, _inference("toolchains", "rust>=1.70"))
    assert not has_value(recipe, _inference("toolchains", "rust>=1.85"))
