"""The modules that a distribution promises, from its own record."""

from pathlib import Path

import pytest

from wheelyard_agent.modules import list_modules


def install(site: Path, *files: str, name: str = "Demo_Project") -> None:
    info = site / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\n")
    for file in map(site.joinpath, files):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()  # importlib.metadata leaves out what is recorded and not there
    (info / "RECORD").write_text("".join(f"{file},,\n" for file in files))


def modules(folder: Path, *files: str) -> list[str]:
    site = folder / "lib" / "python3.13" / "site-packages"
    install(site, *files)
    return list_modules(site, "demo-project")


def test_packages_and_modules_are_named_as_they_are_imported(tmp_path: Path) -> None:
    files = ["demo/__init__.py", "demo/sub/__init__.py", "demo/sub/a.py", "other.py"]
    assert modules(tmp_path, *files) == ["demo", "demo.sub", "demo.sub.a", "other"]


@pytest.mark.parametrize(
    "file",
    [
        "demo/__main__.py",
        "demo/tests/test_a.py",
        "tests/__init__.py",
        "demo/test/a.py",
        "demo/testing.py",
        "demo/conftest.py",
        "setup.py",
        "examples/a.py",
        "benchmarks/a.py",
        "demo/_c.cpython-313-x86_64-linux-gnu.so",
        "demo/__pycache__/a.cpython-313.pyc",
        "demo/py.typed",
        "demo/a.pyi",
        "demo/not-a-module.py",
        "demo-data/a.py",
        "../../../bin/tool.py",
        "Demo_Project-1.0.dist-info/METADATA",
    ],
)
def test_what_is_not_meant_for_import_is_left_out(tmp_path: Path, file: str) -> None:
    assert modules(tmp_path, "demo/__init__.py", file) == ["demo"]


def test_name_that_only_begins_like_a_test_is_kept(tmp_path: Path) -> None:
    assert modules(tmp_path, "testtools.py", "demo/contest.py", "setuptools.py") == [
        "demo.contest",
        "setuptools",
        "testtools",
    ]


def test_other_distributions_are_left_out(tmp_path: Path) -> None:
    install(tmp_path / "lib" / "python3.13" / "site-packages", "other.py", name="other")
    assert modules(tmp_path, "demo.py") == ["demo"]


def test_distribution_without_modules_has_none(tmp_path: Path) -> None:
    assert modules(tmp_path) == []
