"""Which tags of a brought wheel hold, and which wheels no repair can help."""

from pathlib import Path
from typing import Any

import pytest
from tests.unit.pipeline_harness import make_wheel, pack_wheel

from wheelyard_agent import brought
from wheelyard_agent.audit import GraftRules
from wheelyard_agent.brought import _library_lies, _named_as_inside, _python_lies, claims_hold

NEEDS = "manylinux_2_17_x86_64"


@pytest.mark.parametrize(
    ("platform", "holds"),
    [
        ("manylinux_2_17_x86_64", True),
        ("manylinux2014_x86_64", True),
        ("manylinux_2_17_x86_64.manylinux2014_x86_64", True),
        ("manylinux_2_36_x86_64", True),
        ("manylinux_2_17_x86_64.musllinux_1_1_x86_64", True),
        ("musllinux_1_1_x86_64", False),
        ("manylinux_2_12_x86_64", False),
        ("manylinux1_x86_64", False),
        ("manylinux_2_36_x86_64.manylinux2010_x86_64", False),
        ("linux_x86_64", False),
        ("manylinux_2_36_x86_64.linux_x86_64", False),
        ("manylinux_2_36_aarch64", False),
        ("any", False),
    ],
)
def test_tag_holds_if_it_promises_no_older_glibc_than_the_wheel_needs(platform: str, holds: bool) -> None:  # noqa: FBT001
    assert claims_hold(f"demo-1.0-cp313-cp313-{platform}.whl", NEEDS) is holds


def test_tag_of_a_wheel_that_complies_with_nothing_does_not_hold() -> None:
    assert not claims_hold("demo-1.0-cp313-cp313-linux_x86_64.whl", "linux_x86_64")


def test_any_python_with_extension_modules_is_false() -> None:
    (found,) = _python_lies("demo-1.0-py3-none-any.whl", ["demo._c"])
    assert (found["kind"], found["subject"], found["fatal"]) == ("tag-too-general", "py3-none-any", True)
    assert "demo._c" in found["detail"]


def test_any_python_with_libraries_for_ctypes_only_lacks_a_platform() -> None:
    assert _python_lies("demo-1.0-py3-none-any.whl", []) == []
    assert _python_lies("demo-1.0-cp313-cp313-linux_x86_64.whl", ["demo._c"]) == []


class _Policies:
    promised = frozenset({"libc.so.6", "libz.so.1"})

    def __init__(self, platform: str) -> None:
        assert platform == "linux_x86_64"


def audit(**libraries: str | None) -> dict[str, Any]:
    named = {name.replace("_", "."): path for name, path in libraries.items()}
    return {"overall_tag": "linux_x86_64", "external_libs": named, "versioned_symbols": {}}


def test_library_that_is_nowhere_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brought, "Policies", _Policies)
    monkeypatch.setattr(brought, "read_linkage", lambda *_: {})
    wheel = tmp_path / "demo-1.0-cp313-cp313-linux_x86_64.whl"
    wheel.write_bytes(pack_wheel(wheel.name, {"demo.libs/libfoo.so.2": b"\x7fELF"}))
    found = audit(libfoo_so_2=None, libbar_so_1=None, libz_so_1=None, libyaml_so_0="/lib/libyaml.so.0")
    lies = _library_lies(wheel, found, GraftRules())
    assert {(one["kind"], one["subject"], one["fatal"]) for one in lies} == {
        ("rpath-invalid", "libfoo.so.2", True),
        ("library-not-promised", "libbar.so.1", True),
    }
    assert "demo.libs/libfoo.so.2" in next(one["detail"] for one in lies if one["kind"] == "rpath-invalid")


def test_links_to_libpython_and_what_can_be_grafted_are_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(brought, "Policies", _Policies)
    monkeypatch.setattr(brought, "read_linkage", lambda *_: {})
    wheel = tmp_path / "demo-1.0-cp313-cp313-linux_x86_64.whl"
    wheel.write_bytes(pack_wheel(wheel.name, {"demo/_c.so": b"\x7fELF"}))
    assert _library_lies(wheel, audit(libyaml_so_0="/lib/libyaml.so.0"), GraftRules()) == []
    with_python = {**audit(), "external_libs": {"libpython3.13.so.1.0": None}}
    assert _library_lies(wheel, with_python, GraftRules()) == []


def test_wheel_is_named_as_its_metadata_folder(tmp_path: Path) -> None:
    wheel = tmp_path / "Demo-1.0-cp313-cp313-linux_x86_64.whl"
    wheel.write_bytes(make_wheel("demo-1.0-cp313-cp313-linux_x86_64.whl"))
    assert _named_as_inside(wheel) == tmp_path / "demo-1.0-cp313-cp313-linux_x86_64.whl"
    assert not wheel.exists()
