"""Tests of what mends a finding."""

import pytest

from wheelyard.domain.catalogue.archive_files import FileKind
from wheelyard.domain.healing.findings import Finding, FindingKind
from wheelyard.domain.healing.mending import Mend, mend_of


def _mend(kind: FindingKind, name: str, bound: str = "") -> Mend:
    found = mend_of(Finding(kind=kind, name=name, bound=bound))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("kind", "name", "first"),
    [
        (FindingKind.HEADER, "fftw3.h", (FileKind.HEADER, "fftw3.h")),
        (FindingKind.PKG_CONFIG, "geos", (FileKind.PKG_CONFIG, "geos")),
        (FindingKind.LIBRARY, "libcap", (FileKind.LIBRARY, "cap")),
        (FindingKind.LIBRARY, "libmecab.so.2", (FileKind.LIBRARY, "mecab")),
        (FindingKind.PROGRAM, "/usr/bin/mecab-config", (FileKind.PROGRAM, "mecab-config")),
        (FindingKind.CMAKE_PACKAGE, "Osmium", (FileKind.CMAKE, "Osmium")),
    ],
)
def test_file_is_looked_for_as_the_build_does(kind: FindingKind, name: str, first: tuple[FileKind, str]) -> None:
    files = _mend(kind, name).files

    assert (files[0].kind, files[0].name) == first


def test_library_that_a_sentence_names_is_looked_for_by_pkg_config_too() -> None:
    names = [(file.kind, file.name) for file in _mend(FindingKind.LIBRARY, "xml2").files]

    assert (FileKind.PKG_CONFIG, "libxml2") in names


@pytest.mark.parametrize(
    ("kind", "name", "bound", "toolchain"),
    [
        (FindingKind.TOOLCHAIN, "rust", ">=1.80", "rust>=1.80"),
        (FindingKind.TOOLCHAIN, "fortran", "", "fortran"),
        (FindingKind.PROGRAM, "cargo", "", "rust"),
        (FindingKind.CMAKE_PACKAGE, "Java", "", "java"),
        (FindingKind.HEADER, "jni.h", "", "java"),
    ],
)
def test_toolchain_mends_what_it_provides(kind: FindingKind, name: str, bound: str, toolchain: str) -> None:
    assert _mend(kind, name, bound).toolchain == toolchain


def test_build_tool_with_wheels_becomes_a_build_requirement() -> None:
    assert _mend(FindingKind.PROGRAM, "cmake").requirement == "cmake"
    assert _mend(FindingKind.PROGRAM, "CMake").requirement == "cmake"


@pytest.mark.parametrize(
    ("module", "requirement"),
    [("setuptools_scm.git", "setuptools-scm"), ("yaml", "pyyaml"), ("pkg_resources", "setuptools<81")],
)
def test_module_becomes_the_requirement_of_its_project(module: str, requirement: str) -> None:
    assert _mend(FindingKind.PYTHON_MODULE, module).requirement == requirement


def test_module_that_python_itself_had_is_no_project() -> None:
    assert mend_of(Finding(kind=FindingKind.PYTHON_MODULE, name="imp")) is None


def test_c_sources_of_an_older_cython_are_made_anew() -> None:
    mend = _mend(FindingKind.C_SOURCES, "")
    assert mend.cythonize
    assert mend.requirement == "cython<3.1"


def test_drift_goes_back_with_the_named_requirement() -> None:
    assert _mend(FindingKind.BACKEND_DRIFT, "setuptools").older == "setuptools"
    assert _mend(FindingKind.BACKEND_DRIFT, "").older == ""


@pytest.mark.parametrize(
    "kind", [FindingKind.COMPILE_ERROR, FindingKind.NETWORK, FindingKind.PROJECT_REFUSES, FindingKind.LIBRARY_TOO_OLD]
)
def test_nothing_of_a_recipe_mends_the_project_itself(kind: FindingKind) -> None:
    assert mend_of(Finding(kind=kind, name="anything")) is None


@pytest.mark.parametrize("name", ["git", "curl"])
def test_program_that_only_fetches_would_mend_nothing(name: str) -> None:
    assert mend_of(Finding(kind=FindingKind.PROGRAM, name=name)) is None
