"""Names of the organisation's own: patterns, in any spelling."""

import pytest
from packaging.utils import canonicalize_name

from wheelyard.domain.packaging.own_projects import OwnProjects
from wheelyard.errors import OwnProjectError


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("acme", "acme"),
        ("Acme_Billing", "acme-billing"),
        ("acme-*", "Acme.Billing"),
        ("acme_*", "acme-billing"),
        ("*-internal", "tools_internal"),
        ("acme-?", "acme-1"),
    ],
)
def test_own_name_is_refused_however_it_is_spelt(pattern: str, name: str) -> None:
    with pytest.raises(OwnProjectError) as caught:
        OwnProjects.of([pattern]).refuse(canonicalize_name(name))
    assert caught.value.project == canonicalize_name(name)


@pytest.mark.parametrize(("pattern", "name"), [("acme-*", "acme"), ("acme", "acme-billing"), ("acme-*", "macme-x")])
def test_other_names_pass(pattern: str, name: str) -> None:
    OwnProjects.of([pattern]).refuse(canonicalize_name(name))


def test_nothing_is_refused_by_default() -> None:
    OwnProjects().refuse(canonicalize_name("acme"))
