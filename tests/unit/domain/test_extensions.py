"""Does a wheel have what its sdist was going to be compiled to? What the recipe says has the last word."""

from collections.abc import Sequence

import pytest

from wheelyard.domain.builds.expectations import (
    Degradation,
    Expectation,
    ExtensionSource,
    NativeContent,
    find_degradation,
)

FIRM = ExtensionSource(name="demo._c", where="setup.py:3", certain=True, required=True)
OTHER = ExtensionSource(name="demo._other", where="setup.py:4", certain=True, required=True)
OPTIONAL = ExtensionSource(name="demo._opt", where="setup.py:5", certain=True, required=False)
UNNAMED = ExtensionSource(name=None, where="meson.build", certain=True, required=False)
HINT = ExtensionSource(name=None, where="demo/fast.c", certain=False, required=False)
PURE = NativeContent(extensions=(), files=())


def native(*names: str) -> NativeContent:
    return NativeContent(extensions=names, files=tuple(f"{name.rpartition('.')[2]}.abi3.so" for name in names))


def judge(
    sources: Sequence[ExtensionSource],
    content: NativeContent,
    *,
    expected: Sequence[str] = (),
    absent: Sequence[str] = (),
    pure: bool = False,
) -> Degradation:
    expectation = Expectation(present=tuple(expected), absent=tuple(absent), may_be_pure=pure)
    return find_degradation(sources, content, expectation)


@pytest.mark.parametrize(
    ("sources", "missing"),
    [
        ([FIRM], ("demo._c",)),
        ([OPTIONAL], ("demo._opt",)),
        ([UNNAMED], ("one that meson.build makes",)),
        ([FIRM, UNNAMED, HINT], ("demo._c",)),
        ([FIRM, FIRM], ("demo._c",)),
    ],
)
def test_pure_wheel_that_should_be_native_lost_its_extensions(
    sources: Sequence[ExtensionSource], missing: tuple[str, ...]
) -> None:
    assert judge(sources, PURE).missing == missing


def test_pure_wheel_of_a_pure_project_is_right() -> None:
    assert judge([], PURE) == Degradation()


def test_hint_is_a_warning_and_no_failure() -> None:
    found = judge([HINT], PURE)
    assert found.missing == ()
    assert found.warnings == ("It is pure, though its sdist may hold extension modules: one that demo/fast.c makes.",)


def test_many_hints_are_counted() -> None:
    sources = [ExtensionSource(name=f"m{number}", where="x", certain=False, required=False) for number in range(7)]
    assert judge(sources, PURE).warnings[0].endswith("m0, m1, m2, m3, m4 and 2 more.")


def test_recipe_can_say_that_pure_is_right() -> None:
    assert judge([FIRM, UNNAMED], PURE, pure=True) == Degradation()


def test_required_extension_that_is_missing_among_others_is_lost() -> None:
    assert judge([FIRM, OTHER], native("demo._c")).missing == ("demo._other",)


def test_optional_extension_that_is_missing_among_others_is_a_warning() -> None:
    found = judge([FIRM, OPTIONAL], native("demo._c"))
    assert (found.missing, found.warnings) == ((), ("It has no demo._opt.",))


def test_hint_that_is_missing_among_others_is_nothing() -> None:
    assert judge([FIRM, HINT], native("demo._c")) == Degradation()


@pytest.mark.parametrize("there", ["demo._c", "_c", "elsewhere._c"])
def test_extension_may_lie_in_another_package_than_its_source_says(there: str) -> None:
    assert judge([FIRM], native(there)) == Degradation()


def test_library_without_an_entry_point_counts_too() -> None:
    content = NativeContent(extensions=("demo._other",), files=("_c.so", "_other.abi3.so"))
    assert judge([FIRM, OTHER], content) == Degradation()


def test_extension_that_the_recipe_expects_must_be_there_exactly() -> None:
    assert judge([], native("_c"), expected=["demo._c"]).missing == ("demo._c",)
    assert judge([], PURE, expected=["demo._c"], pure=True).missing == ("demo._c",)


def test_recipe_that_names_some_extensions_excuses_no_others() -> None:
    found = judge([FIRM, OTHER, OPTIONAL], native("demo._c"), expected=["demo._c"])
    assert (found.missing, found.warnings) == (("demo._other",), ("It has no demo._opt.",))


def test_recipe_excuses_the_extensions_that_it_names_as_absent() -> None:
    excused = ["demo._other", "demo._opt"]
    assert judge([FIRM, OTHER, OPTIONAL], native("demo._c"), absent=excused) == Degradation()
    assert judge([FIRM, OTHER, OPTIONAL], PURE, absent=excused).missing == ("demo._c",)
    assert judge([OTHER], PURE, absent=excused) == Degradation()
