"""Where a library or a Python that is too old is new enough."""

from dataclasses import replace
from typing import Final

import pytest
from tests.fakes.archives import FakeArchives

from wheelyard.domain.catalogue.archive_files import FileKind
from wheelyard.domain.catalogue.catalogue import BuilderChoice
from wheelyard.domain.catalogue.reach import PythonReach, Reach
from wheelyard.domain.healing.findings import Finding, FindingKind
from wheelyard.domain.packaging.target import Policy, Target
from wheelyard.errors import OperatorError
from wheelyard.pipeline.newer_suites import name_newer_pythons, name_newer_suites

PROJ = Finding(
    kind=FindingKind.LIBRARY_TOO_OLD,
    name="proj",
    bound=">=9.6",
    found="9.1.1",
    line="Invalid version, need 'proj' ['>=9.6'] found '9.1.1'.",
    cause="it wants proj >=9.6, and the builder has 9.1.1",
    remedy="Ask for a builder of a newer suite, or build an older release.",
)
FILES = {(FileKind.PKG_CONFIG, "proj"): ("libproj-dev",)}
SUITES = ("trixie", "noble", "rocky9")


async def remedy_of(finding: Finding, versions: dict[str, str], suites: tuple[str, ...] = SUITES) -> str:
    known = {(suite, "libproj-dev"): version for suite, version in versions.items()}
    archives = FakeArchives(FILES, suites=SUITES, versions=known)
    (one,) = await name_newer_suites([finding], archives, suites, "x86_64")
    return one.remedy


async def test_suite_that_has_it_new_enough_is_named() -> None:
    said = await remedy_of(PROJ, {"trixie": "9.6.0-1", "noble": "9.4.0-1build2"})
    assert said == "trixie has 9.6.0: ask for its builder, or build an older release."


async def test_all_suites_that_have_it_new_enough_are_named() -> None:
    said = await remedy_of(PROJ, {"trixie": "1:9.6.0+dfsg-1", "noble": "9.10~exp2-1"})
    assert said.startswith("trixie has 9.6.0, noble has 9.10: ask for a builder of one of them")


@pytest.mark.parametrize("version", ["9.5.1-1", "9.6.0~rc1-1", "unknown"])
async def test_it_is_said_that_no_suite_has_it(version: str) -> None:
    said = await remedy_of(PROJ, {"trixie": version})
    assert said.startswith("No suite of the catalogue has proj >=9.6.")


async def test_suite_that_cannot_be_read_is_not_taken_for_one_without_it() -> None:
    assert await remedy_of(PROJ, {}, suites=("trixie", "unknown")) == PROJ.remedy
    said = await remedy_of(PROJ, {"trixie": "9.6.0-1"}, suites=("unknown", "trixie"))
    assert said.startswith("trixie has 9.6.0")


async def test_archives_that_fail_change_nothing() -> None:
    archives = FakeArchives(FILES, suites=SUITES, error=OperatorError("the archive is down"))
    assert await name_newer_suites([PROJ], archives, SUITES, "x86_64") == (PROJ,)


async def test_only_libraries_that_are_too_old_are_looked_up_and_few_of_them() -> None:
    header = Finding(kind=FindingKind.HEADER, name="proj.h", remedy="")
    many = [Finding(kind=FindingKind.LIBRARY_TOO_OLD, name=f"a{number}", bound=">=2") for number in range(9)]
    archives = FakeArchives({}, suites=SUITES)
    found = await name_newer_suites([header, *many], archives, SUITES, "x86_64")
    assert found[0] == header
    assert [bool(one.remedy) for one in found[1:]] == [True] * 5 + [False] * 4
    assert {one.name for one in archives.asked if one.kind is FileKind.LIBRARY} == {f"a{number}" for number in range(5)}


async def test_bound_that_is_none_is_left_alone() -> None:
    odd = Finding(kind=FindingKind.LIBRARY_TOO_OLD, name="proj", bound=">=abc")
    archives = FakeArchives(FILES, suites=SUITES)
    assert await name_newer_suites([odd], archives, SUITES, "x86_64") == (odd,)
    assert archives.asked == []


async def test_module_is_found_by_its_names_with_and_without_lib() -> None:
    finding = Finding(kind=FindingKind.LIBRARY_TOO_OLD, name="librdkafka", bound=">=0.9")
    archives = FakeArchives({(FileKind.LIBRARY, "rdkafka"): ("librdkafka-dev",)}, suites=("trixie",))
    (one,) = await name_newer_suites([finding], archives, ("trixie",), "x86_64")
    assert one.remedy.startswith("trixie has 1.0: ask for its builder")


_POLICY: Final = Policy.parse("manylinux_2_36_x86_64")
_BUILDERS: Final = tuple(
    BuilderChoice(suite="bookworm", python=python, policy=_POLICY)
    for python in ("3.15", "3.15t", "3.14", "3.14t", "3.13", "3.13t", "3.12")
)
_THREADED: Final = Finding(
    kind=FindingKind.PYTHON_TOO_OLD,
    name="python",
    bound=">=3.14",
    line="the free-threaded build requires CPython 3.14 or newer",
)


def name_pythons(finding: Finding, python: str, *unreachable: str) -> str:
    reach = Reach.of(
        [[PythonReach(architecture="x86_64", suite="bookworm", python=one, reachable=False) for one in unreachable]]
    )
    (one,) = name_newer_pythons([finding], Target(python=python, policy=_POLICY), _BUILDERS, reach)
    return one.remedy


def test_a_python_that_is_too_old_names_those_that_would_do() -> None:
    plain = replace(_THREADED, line="it requires Python >=3.14")
    assert name_pythons(plain, "3.13") == "Ask for Python 3.15, 3.14; or build an older release."


def test_a_free_threaded_python_that_is_too_old_names_newer_ones_and_the_one_with_the_gil() -> None:
    assert name_pythons(_THREADED, "3.13t", "3.15t") == (
        "Ask for Python 3.15t (source-unreachable here), 3.14t, or for Python 3.13, which has the GIL; "
        "or build an older release."
    )


def test_a_catalogue_without_a_newer_python_is_named() -> None:
    assert name_pythons(replace(_THREADED, line="", bound=">=3.16"), "3.13") == (
        "The catalogue has no Python >=3.16. Build an older release."
    )
