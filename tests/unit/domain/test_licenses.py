"""Which license nobody can avoid."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wheelyard.domain.builds.components import Component, ComponentKind
from wheelyard.domain.builds.licenses import denied_license, license_problems

GPL = ("GPL-*",)


@pytest.mark.parametrize(
    ("expression", "denied"),
    [
        ("GPL-2.0-or-later", "GPL-2.0-or-later"),
        ("gpl-2.0-only", "gpl-2.0-only"),
        ("LGPL-2.1-or-later", None),
        ("MIT OR GPL-2.0-only", None),
        ("MIT AND GPL-2.0-only", "GPL-2.0-only"),
        ("GPL-2.0-only OR GPL-3.0-only", "GPL-2.0-only"),
        ("(MIT OR GPL-2.0-only) AND ISC", None),
        ("MIT OR ISC AND GPL-2.0-only", None),
        ("(MIT OR ISC) AND (GPL-2.0-only OR GPL-3.0-only)", "GPL-2.0-only"),
        ("GPL-3.0-or-later WITH Autoconf-exception-generic", "GPL-3.0-or-later WITH Autoconf-exception-generic"),
        ("MIT GPL-2.0-only", "GPL-2.0-only"),
        ("MIT OR (GPL-2.0-only", "GPL-2.0-only"),
        ("AND OR )", None),
        ("LicenseRef-Debian-GPL-2--with-OpenSSL-exception", "LicenseRef-Debian-GPL-2--with-OpenSSL-exception"),
        ("LicenseRef-Debian-public-domain", None),
        (None, None),
    ],
)
def test_of_alternatives_one_may_choose(expression: str | None, denied: str | None) -> None:
    assert denied_license(expression, GPL) == denied


def test_unknown_license_is_denied_by_its_name_in_spdx() -> None:
    assert denied_license(None, ("NOASSERTION",)) == "NOASSERTION"


@given(st.lists(st.sampled_from(["MIT", "GPL-2.0-only", "AND", "OR", "(", ")", "WITH"]), max_size=12))
def test_text_of_strangers_is_never_an_error(words: list[str]) -> None:
    denied = denied_license(" ".join(words), GPL)
    assert denied is None or "GPL-2.0-only" in denied


def test_long_expression_takes_little_time() -> None:
    begun = time.monotonic()
    denied_license("(" * 200_000 + "MIT", GPL)
    denied_license("MIT AND " * 200_000 + "MIT", GPL)
    assert time.monotonic() - begun < 5


def test_problem_names_component_license_source_and_rule() -> None:
    component = Component(
        kind=ComponentKind.GRAFTED,
        name="libreadline8",
        version="8.2-1.3",
        purl="pkg:deb/debian/libreadline8@8.2-1.3",
        license="GPL-3.0-or-later",
        source="readline",
        source_version="8.2-1.3",
        files=("demo.libs/libreadline-1.so.8",),
    )
    (problem,) = license_problems([component], GPL, rule="repair.deny-licenses of its recipe")
    assert problem == (
        "libreadline8 8.2-1.3, of the source package readline 8.2-1.3 (grafted: demo.libs/libreadline-1.so.8) has the "
        "license GPL-3.0-or-later, and repair.deny-licenses of its recipe has 'GPL-*'"
    )
    assert list(license_problems([component], (), rule="x")) == []
