"""Which tags of a brought wheel hold, and which wheels no repair can help."""

from pathlib import Path
from typing import Any

import pytest
from tests.unit.pipeline_harness import make_wheel, pack_wheel

from wheelyard_agent import brought
from wheelyard_agent.audit import GraftRules
from wheelyard_agent.brought import _check_libraries, _check_python_tag, _named_as_inside, claims_hold
from wheelyard_agent.job import JobError

NEEDS = "manylinux_2_17_x86_64"


@pytest.mark.parametrize(
    ("platform", "holds"),
    [
        ("manylinux_2_17_x86_64", True),
        ("manylinux2014_x86_64", True),
        ("manylinux_2_17_x86_64.manylinux2014_x86_64", True),
        ("manylinux_2_36_x86_64", True),
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
    with pytest.raises(JobError) as caught:
        _check_python_tag(Path("demo-1.0-py3-none-any.whl"), ["demo._c"])
    assert (caught.value.code, caught.value.details) == (
        "python-tag-false",
        {"tag": "py3-none-any", "modules": ["demo._c"]},
    )


def test_any_python_with_libraries_for_ctypes_only_lacks_a_platform() -> None:
    _check_python_tag(Path("demo-1.0-py3-none-any.whl"), [])
    _check_python_tag(Path("demo-1.0-cp313-cp313-linux_x86_64.whl"), ["demo._c"])


class _Policies:
    promised = frozenset({"libc.so.6", "libz.so.1"})

    def __init__(self, platform: str) -> None:
        assert platform == "linux_x86_64"


def audit(**libraries: str | None) -> dict[str, Any]:
    named = {name.replace("_", "."): path for name, path in libraries.items()}
    return {"overall_tag": "linux_x86_64", "external_libs": named}


def test_library_that_is_nowhere_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brought, "Policies", _Policies)
    wheel = tmp_path / "demo-1.0-cp313-cp313-linux_x86_64.whl"
    wheel.write_bytes(pack_wheel(wheel.name, {"demo.libs/libfoo.so.2": b"\x7fELF"}))
    found = audit(libfoo_so_2=None, libbar_so_1=None, libz_so_1=None, libyaml_so_0="/lib/libyaml.so.0")
    with pytest.raises(JobError) as caught:
        _check_libraries(wheel, found, GraftRules())
    reason = caught.value.details["reason"]
    assert "libfoo.so.2, which it has as demo.libs/libfoo.so.2, where its search path (RPATH) does not lead" in reason
    assert "libbar.so.1, which is neither in the wheel" in reason
    assert "libz" not in reason
    assert "libyaml" not in reason


def test_links_to_libpython_and_what_can_be_grafted_are_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(brought, "Policies", _Policies)
    _check_libraries(tmp_path, audit(libyaml_so_0="/lib/libyaml.so.0"), GraftRules())
    with_python = {"overall_tag": "linux_x86_64", "external_libs": {"libpython3.13.so.1.0": None}}
    _check_libraries(tmp_path, with_python, GraftRules())


def test_wheel_is_named_as_its_metadata_folder(tmp_path: Path) -> None:
    wheel = tmp_path / "Demo-1.0-cp313-cp313-linux_x86_64.whl"
    wheel.write_bytes(make_wheel("demo-1.0-cp313-cp313-linux_x86_64.whl"))
    assert _named_as_inside(wheel) == tmp_path / "demo-1.0-cp313-cp313-linux_x86_64.whl"
    assert not wheel.exists()
