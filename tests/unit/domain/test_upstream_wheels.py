"""Which of upstream's wheels is evidence for a target, and what its names say."""

from collections.abc import Sequence

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version
from tests.contract.samples import TARGET

from wheelyard.domain.builds.upstream_wheels import NearestWheels, UpstreamWheel, is_extension_file, is_for_linux
from wheelyard.domain.packaging.release import IndexFile, ProjectFiles
from wheelyard.domain.untrusted.file_names import read_wheel_name

OLD, NEW = "demo-1.0-cp310-cp310-manylinux_2_17_x86_64.whl", "demo-1.0-cp313-cp313-manylinux_2_17_x86_64.whl"
ARM, MUSL = "demo-1.0-cp313-cp313-manylinux_2_17_aarch64.whl", "demo-1.0-cp313-cp313-musllinux_1_2_x86_64.whl"
MACOS, ABI3 = "demo-1.0-cp313-cp313-macosx_11_0_arm64.whl", "demo-1.0-cp39-abi3-manylinux_2_17_x86_64.whl"
THREADED = "demo-1.0-cp313-cp313t-manylinux_2_17_x86_64.whl"
FAR = "demo-1.0-cp313-cp313-manylinux_2_99_x86_64.whl"
PURE = "demo-1.0-py3-none-any.whl"


def nearest(names: Sequence[str], requires_python: str | None = None) -> NearestWheels:
    files = [
        IndexFile(
            filename=name,
            url="",
            sha256="",
            kind="wheel",
            version=read_wheel_name(name).version,
            requires_python=requires_python,
        )
        for name in names
    ]
    page = ProjectFiles(project=canonicalize_name("demo"), files=tuple(files))
    return NearestWheels.of(page, Version("1.0"), TARGET)


@pytest.mark.parametrize(
    ("names", "native", "serves"),
    [
        ([OLD, NEW, ARM, MACOS], NEW, True),
        ([OLD, ABI3], ABI3, True),
        ([OLD, FAR], FAR, False),
        ([OLD, ARM], ARM, False),
        ([ARM, MUSL], MUSL, False),
        ([OLD, THREADED], THREADED, False),
        ([OLD, MACOS], OLD, False),
        ([MACOS, PURE], MACOS, False),
        ([PURE, "demo-1.1-cp313-cp313-manylinux_2_17_x86_64.whl"], None, False),
        ([], None, False),
    ],
)
def test_nearest_native_wheel_is_of_the_same_system_then_python_then_processor(
    names: Sequence[str], native: str | None, *, serves: bool
) -> None:
    found = nearest(names)
    assert (found.native and found.native.filename, found.serves) == (native, serves)


@pytest.mark.parametrize(
    ("names", "requires_python", "pure"),
    [([NEW, PURE], None, PURE), ([PURE], "<3", None), (["demo-1.0-py2-none-any.whl"], None, None), ([NEW], None, None)],
)
def test_pure_wheel_counts_if_it_serves_the_target(
    names: Sequence[str], requires_python: str | None, pure: str | None
) -> None:
    found = nearest(names, requires_python).pure
    assert (found and found.filename) == pure


@pytest.mark.parametrize(
    ("member", "module"),
    [
        ("demo/_c.cpython-313-x86_64-linux-gnu.so", "demo._c"),
        ("demo/_c.abi3.so", "demo._c"),
        ("_c.cp313-win_amd64.pyd", "_c"),
        ("demo-1.0.data/platlib/demo/_c.so", "demo._c"),
        ("demo/__init__.cpython-313-darwin.so", "demo"),
        ("demo.libs/libz-1a2b.so.1", None),
        ("demo.libs/libz.so", None),
        ("demo/libz.so.1", None),
        ("demo/a-b.so", None),
        ("demo/_c.py", None),
    ],
)
def test_module_is_read_from_the_name_of_a_member(member: str, module: str | None) -> None:
    assert is_extension_file(member) == (module is not None)
    assert list(UpstreamWheel(filename=NEW, members=(member,)).modules) == ([module] if module else [])


def test_member_of_a_module_may_lie_in_another_package() -> None:
    wheel = UpstreamWheel(filename=NEW, members=("demo/_c.abi3.so", "other/_d.abi3.so"))
    assert (wheel.member_of("demo._c"), wheel.member_of("demo._d")) == ("demo/_c.abi3.so", "other/_d.abi3.so")
    assert wheel.member_of("demo._e") is None


def test_system_is_read_from_the_tags() -> None:
    assert [is_for_linux(name) for name in (NEW, MUSL, MACOS)] == [True, True, False]
