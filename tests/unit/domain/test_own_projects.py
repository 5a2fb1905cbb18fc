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


OWN = OwnProjects.of(
    ["acme-*", "Acme.Web_*", "acme-web-*", "beta*", "tool", "*-internal", "gam?a-*", "*", "-*", "a[b]-*"]
)


def test_namespace_is_what_a_final_star_leaves_of_a_pattern() -> None:
    assert OWN.namespaces == ("acme", "acme-web", "beta")


@pytest.mark.parametrize(
    ("project", "namespaces"),
    [
        ("acme", ("acme",)),
        ("acme-billing", ("acme",)),
        ("acme-web", ("acme", "acme-web")),
        ("acme-web-cart", ("acme", "acme-web")),
        ("acmeweb", ()),
        ("betamax", ()),
        ("beta-max", ("beta",)),
        ("tool", ()),
        ("not-acme-billing", ()),
    ],
)
def test_namespace_ends_at_a_hyphen(project: str, namespaces: tuple[str, ...]) -> None:
    assert OWN.namespaces_of(project) == namespaces


def test_parent_is_the_innermost_namespace_around() -> None:
    own = OwnProjects.of(["a-*", "a-b-*", "a-b-c-*", "a-bc-*", "d-e-*"])
    assert {name: own.parent_of(name) for name in own.namespaces} == {
        "a": None,
        "a-b": "a",
        "a-b-c": "a-b",
        "a-bc": "a",
        "d-e": None,
    }
