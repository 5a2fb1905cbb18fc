"""Did a wheel lose extension modules? Evidence decides; what sources only suggest is a warning."""

from collections.abc import Sequence

import pytest

from wheelyard.domain.builds.expectations import (
    Degradation,
    Expectation,
    ExtensionSource,
    NativeContent,
    TriedModule,
    find_doubt,
    find_lost,
    judge_doubt,
)
from wheelyard.domain.builds.upstream_wheels import UpstreamRelease, UpstreamWheel

DECLARED = ExtensionSource(name="demo._c", where="pyproject.toml", certain=True, required=True)
SCRIPTED = ExtensionSource(name="demo._c", where="setup.py:3", certain=True, required=False)
OTHER = ExtensionSource(name="demo._other", where="setup.py:4", certain=True, required=False)
UNNAMED = ExtensionSource(name=None, where="meson.build", certain=True, required=False)
WEAK = ExtensionSource(name="demo._weak", where="demo/weak.c", certain=False, required=False)
HINT = ExtensionSource(name=None, where="demo/fast.c", certain=False, required=False)
TRIED = TriedModule(name="demo._c", line="building 'demo._c' extension")
PURE = NativeContent(extensions=(), files=())
NOTHING = UpstreamRelease()
PURE_UPSTREAM = UpstreamRelease(pure="demo-1.0-py3-none-any.whl")
LINUX, MACOS = "demo-1.0-cp313-cp313-manylinux_2_17_x86_64.whl", "demo-1.0-cp313-cp313-macosx_11_0_arm64.whl"


def native(*names: str) -> NativeContent:
    return NativeContent(extensions=names, files=tuple(f"{name.rpartition('.')[2]}.abi3.so" for name in names))


def upstream(*members: str, filename: str = LINUX, pure: str | None = None) -> UpstreamRelease:
    wheel = UpstreamWheel(filename=filename, members=members, is_for_linux="linux" in filename)
    return UpstreamRelease(pure=pure, native=filename, native_serves=filename == LINUX, wheel=wheel)


def judge(  # noqa: PLR0913  a test names only what it is about
    sources: Sequence[ExtensionSource],
    content: NativeContent,
    release: UpstreamRelease = NOTHING,
    *,
    tried: Sequence[TriedModule] = (),
    absent: Sequence[str] = (),
    pure: bool = False,
) -> Degradation:
    expectation = Expectation(absent=tuple(absent), may_be_pure=pure)
    return judge_doubt(find_doubt(sources, content, expectation, tried), expectation, release)


def test_module_that_the_recipe_expects_is_lost() -> None:
    expectation = Expectation(present=("demo._c", "demo._d"))
    found = find_lost(native("demo._d"), expectation)
    assert found == Degradation(missing=("demo._c",), evidence=("The recipe's expect.extensions names them.",))
    assert find_lost(native("demo._c", "demo._d"), expectation) == Degradation()


@pytest.mark.parametrize("content", [PURE, native("demo._d")])
def test_what_a_program_only_may_make_is_a_warning(content: NativeContent) -> None:
    found = judge([SCRIPTED], content)
    assert (found.missing, found.doubtful) == ((), ("demo._c",))
    assert found.warnings[0].endswith("demo._c (setup.py:3).")


def test_what_a_table_declares_is_lost_unless_upstream_lacks_it_too() -> None:
    found = judge([DECLARED], PURE)
    assert (found.missing, found.evidence) == (("demo._c",), ("pyproject.toml declares demo._c.",))
    assert judge([DECLARED], native("demo._d"), upstream("demo/_d.abi3.so")) == Degradation()


@pytest.mark.parametrize("content", [PURE, native("demo._d")])
def test_what_the_build_tried_is_lost(content: NativeContent) -> None:
    found = judge([], content, tried=[TRIED])
    assert found.missing == ("demo._c",)
    assert found.evidence == ("The build's log says: building 'demo._c' extension",)


def test_what_the_build_tried_and_made_is_there() -> None:
    assert judge([SCRIPTED], native("demo._c"), tried=[TRIED]) == Degradation()


@pytest.mark.parametrize("release", [PURE_UPSTREAM, upstream("demo/_d.abi3.so")])
def test_what_the_build_tried_and_upstream_lacks_too_is_a_warning(release: UpstreamRelease) -> None:
    found = judge([], native("demo._d"), release, tried=[TRIED])
    assert found.missing == ()
    assert "demo._c, which its build tried to make; upstream's demo-1.0-" in found.warnings[0]


@pytest.mark.parametrize("tried", [[], [TRIED]])
def test_what_upstreams_wheel_has_is_lost(tried: Sequence[TriedModule]) -> None:
    found = judge([SCRIPTED], native("demo._d"), upstream("demo/_c.cpython-313-x86_64-linux-gnu.so"), tried=tried)
    assert found.missing == ("demo._c",)
    assert found.evidence == (f"Upstream's {LINUX} has demo/_c.cpython-313-x86_64-linux-gnu.so.",)


def test_pure_wheel_is_right_where_upstreams_is_pure() -> None:
    assert judge([SCRIPTED, UNNAMED, HINT], PURE, PURE_UPSTREAM) == Degradation()


def test_pure_wheel_is_right_where_upstream_has_both_and_that_is_told() -> None:
    release = UpstreamRelease(pure="demo-1.0-py3-none-any.whl", native=LINUX, native_serves=True)
    found = judge([SCRIPTED], PURE, release)
    assert found.missing == ()
    assert found.warnings == (f"It is pure, as upstream's demo-1.0-py3-none-any.whl is; upstream's {LINUX} is not.",)


def test_pure_wheel_whose_build_tried_more_is_refused_where_upstream_has_both() -> None:
    release = upstream("demo/_c.abi3.so", pure="demo-1.0-py3-none-any.whl")
    assert judge([SCRIPTED], PURE, release, tried=[TRIED]).missing == ("demo._c",)


def test_pure_wheel_whose_build_tried_more_is_refused_where_upstreams_native_one_cannot_be_read() -> None:
    release = UpstreamRelease(pure="demo-1.0-py3-none-any.whl", native=LINUX, native_serves=True)
    assert judge([SCRIPTED], PURE, release, tried=[TRIED]).missing == ("demo._c",)


@pytest.mark.parametrize("sources", [[], [HINT], [UNNAMED], [OTHER]])
def test_pure_wheel_is_wrong_where_upstream_has_native_ones_only(sources: Sequence[ExtensionSource]) -> None:
    found = judge(sources, PURE, upstream("demo/_c.abi3.so", "demo.libs/libz-1.so.1"))
    assert (found.missing, found.evidence) == (("demo._c",), (f"Upstream's {LINUX} has demo/_c.abi3.so.",))


def test_wheel_of_another_system_proves_only_what_the_sources_say_of_this_one() -> None:
    release = upstream("demo/_weak.abi3.so", "demo/_mac.so", filename=MACOS)
    found = judge([WEAK], PURE, release)
    assert (found.missing, len(found.warnings)) == ((), 1)
    assert judge([SCRIPTED], PURE, upstream("demo/_c.abi3.so", filename=MACOS)).missing == ("demo._c",)


def test_many_hints_are_counted() -> None:
    sources = [ExtensionSource(name=f"m{number}", where="x", certain=False, required=False) for number in range(7)]
    assert judge(sources, PURE).warnings[0].endswith("m0 (x), m1 (x), m2 (x), m3 (x), m4 (x) and 2 more.")


def test_recipe_can_say_that_pure_is_right() -> None:
    assert judge([DECLARED], PURE, upstream("demo/_c.abi3.so"), tried=[TRIED], pure=True) == Degradation()


def test_recipe_can_say_what_is_right_to_be_absent() -> None:
    release = upstream("demo/_c.abi3.so", "demo/_d.abi3.so")
    assert judge([DECLARED], native("demo._d"), release, tried=[TRIED], absent=["demo._c"]) == Degradation()


def test_hint_that_is_missing_among_others_is_nothing() -> None:
    assert judge([HINT, WEAK], native("demo._c")) == Degradation()


@pytest.mark.parametrize("there", ["demo._c", "_c", "elsewhere._c"])
def test_extension_may_lie_in_another_package_than_its_source_says(there: str) -> None:
    assert judge([DECLARED], native(there), tried=[TRIED]) == Degradation()


@pytest.mark.parametrize(
    ("content", "sources", "tried", "release", "needs"),
    [
        (PURE, [], [], NOTHING, True),
        (PURE, [SCRIPTED], [], PURE_UPSTREAM, False),
        (PURE, [SCRIPTED], [TRIED], PURE_UPSTREAM, True),
        (native("demo._d"), [SCRIPTED], [], PURE_UPSTREAM, True),
        (native("demo._c"), [SCRIPTED], [TRIED], NOTHING, False),
    ],
)
def test_upstreams_wheel_is_read_only_if_it_can_decide(
    content: NativeContent,
    sources: Sequence[ExtensionSource],
    tried: Sequence[TriedModule],
    release: UpstreamRelease,
    *,
    needs: bool,
) -> None:
    assert find_doubt(sources, content, Expectation(), tried).needs_names(release) == needs
