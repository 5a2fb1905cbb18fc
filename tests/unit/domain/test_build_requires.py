"""Build requirements as a recipe amends them."""

import pytest

from wheelyard.domain.recipes.effective import EffectiveRecipe, amend_requirements


@pytest.mark.parametrize(
    ("wanted", "drop", "add", "installed"),
    [
        (["setuptools", "wheel"], (), (), ("setuptools", "wheel")),
        (["wheel", "Oldest_SUPPORTED.numpy"], ("oldest-supported-numpy",), ("numpy>=2",), ("wheel", "numpy>=2")),
        (["numpy==1.21; python_version > '3'"], ("numpy",), ("numpy>=2",), ("numpy>=2",)),
        (["cmake"], (), ("cmake", "ninja"), ("cmake", "ninja")),
        ([], (), ("cython",), ("cython",)),
        (["-r /etc/passwd"], ("r",), (), ("-r /etc/passwd",)),
    ],
)  # fmt: skip
def test_recipe_drops_and_adds(
    wanted: list[str], drop: tuple[str, ...], add: tuple[str, ...], installed: tuple[str, ...]
) -> None:
    assert amend_requirements(wanted, EffectiveRecipe(build_requires=add, dropped_requires=drop)) == installed
