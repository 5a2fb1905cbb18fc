"""Which Pythons can be had, by the reports of all engines."""

from pathlib import Path
from typing import Final

import pytest

from wheelyard.domain.catalogue.catalogue import BuilderChoice, Catalogue, parse_catalogue
from wheelyard.domain.catalogue.reach import PythonReach, Reach, SourceTry, reachable_targets
from wheelyard.errors import SourceUnreachableError

BUILDERS: Final = Path(__file__).parents[3] / "builders"
TRIED: Final = (SourceTry(url="https://mirror.test/Python.tar.xz", answer="it answered 404 Not Found"),)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return parse_catalogue((BUILDERS / "builders.toml").read_text()).on("x86_64")


def report(catalogue: Catalogue, *reachable: str, versions: dict[str, str] | None = None) -> list[PythonReach]:
    return [
        PythonReach(
            architecture="x86_64",
            suite=one.suite,
            python=one.python,
            reachable=one.python in reachable,
            version=(versions or {}).get(one.python, f"{one.python.removesuffix('t')}.1"),
            tried=() if one.python in reachable else TRIED,
        )
        for one in catalogue.builders()
    ]


def bookworm(catalogue: Catalogue, python: str) -> BuilderChoice:
    return next(one for one in catalogue.builders() if (one.suite, one.python) == ("bookworm", python))


def test_catalogue_has_the_pythons_that_people_have_newest_first(catalogue: Catalogue) -> None:
    pythons = ("3.15", "3.15t", "3.14", "3.14t", "3.13", "3.13t", "3.12", "3.11")
    assert {suite.pythons for suite in catalogue.suite.values()} == {pythons}


def test_each_release_is_at_upstream_too_and_newest_first(catalogue: Catalogue) -> None:
    for python in catalogue.python.values():
        versions = [tuple(map(int, source.version.split("."))) for source in python.source]
        assert versions == sorted(versions, reverse=True)
        for source in python.source:
            assert source.mirrors[-1] == f"https://www.python.org/ftp/python/{source.version}/{source.file}"


def test_nothing_is_unreachable_while_nothing_is_known(catalogue: Catalogue) -> None:
    assert reachable_targets(catalogue, Reach()) == tuple(catalogue.targets())
    Reach().check(bookworm(catalogue, "3.15"))


def test_python_that_one_engine_can_have_is_reachable(catalogue: Catalogue) -> None:
    reach = Reach.of([report(catalogue, "3.13"), report(catalogue, "3.14")])
    assert {target.python for target in reachable_targets(catalogue, reach)} == {"3.13", "3.14"}


def test_request_for_another_one_is_refused_with_what_was_tried(catalogue: Catalogue) -> None:
    reach = Reach.of([report(catalogue, "3.13")])
    with pytest.raises(SourceUnreachableError) as caught:
        reach.check(bookworm(catalogue, "3.15t"))
    assert str(TRIED[0]) in caught.value.summary
    assert "WHEELYARD_PYTHON_MIRROR" in caught.value.hint
    assert not caught.value.retryable


@pytest.mark.parametrize(
    ("reachable", "versions", "default"),
    [
        (("3.11", "3.13", "3.13t"), {}, "3.13"),
        (("3.11", "3.15", "3.15t"), {}, "3.15"),
        (("3.11",), {}, "3.11"),
        (("3.13", "3.14"), {"3.14": "3.14.0rc2"}, "3.13"),
        (("3.13t",), {}, "3.13"),  # nothing stable is known to be reachable: the catalogue's
        ((), {}, "3.13"),
    ],
)
def test_default_is_the_newest_that_is_reachable_and_stable(
    catalogue: Catalogue, reachable: tuple[str, ...], versions: dict[str, str], default: str
) -> None:
    reach = Reach.of([report(catalogue, *reachable, versions=versions)])
    assert reach.default_python(catalogue, "manylinux_2_36_x86_64") == default


def test_default_is_the_catalogues_while_nothing_is_known(catalogue: Catalogue) -> None:
    assert Reach().default_python(catalogue, "manylinux_2_36_x86_64") == catalogue.default.python
