"""Which system packages a builder gets, by its package manager."""

import pytest

from wheelyard.domain.catalogue.catalogue import parse_catalogue
from wheelyard.domain.catalogue.suites import ImageSuite
from wheelyard.domain.recipes.effective import EffectiveRecipe
from wheelyard.domain.recipes.system_packages import packages_for
from wheelyard.errors import PackagesMissingError
from wheelyard.resources import data_path

BOTH = EffectiveRecipe(apt=("libdemo-dev",), dnf=("demo-devel",))


@pytest.mark.parametrize(("manager", "packages"), [("apt", ("libdemo-dev",)), ("dnf", ("demo-devel",))])
def test_builder_gets_the_packages_for_its_own_manager(manager: str, packages: tuple[str, ...]) -> None:
    assert packages_for(BOTH, manager=manager, suite="any") == packages


def test_recipe_that_has_none_for_a_builder_says_so() -> None:
    with pytest.raises(PackagesMissingError) as caught:
        packages_for(BOTH, manager="apk", suite="alpine")
    assert (caught.value.manager, caught.value.others) == ("apk", ("apt", "dnf"))


@pytest.mark.parametrize("manager", ["apt", "dnf", "apk"])
def test_recipe_without_packages_needs_none_anywhere(manager: str) -> None:
    assert packages_for(EffectiveRecipe(), manager=manager, suite="any") == ()


def test_every_suite_has_a_package_manager() -> None:
    catalogue = parse_catalogue((data_path("builders") / "builders.toml").read_text(encoding="utf-8"))
    assert {suite.package_manager for suite in catalogue.own_suites.values()} == {"apt"}
    entry = {
        "kind": "image",
        "policy": "manylinux_2_28",
        "architectures": ("x86_64",),
        "pythons": ("3.13",),
        "image": "quay.example/manylinux",
        "package-manager": "dnf",
    }
    assert ImageSuite.model_validate(entry).package_manager == "dnf"
