"""Scopes, and the projects that a token may publish."""

import pytest
from tests.contract.samples import BEGINNING

from wheelyard.domain.access import LONGEST_PUBLISHED, MOST_PUBLISHED, Scope, read_publishes
from wheelyard.domain.builds.records import Token
from wheelyard.errors import ForbiddenError, InvalidRequestError

READ, PUBLISH, REQUEST, OPERATE, ADMIN = Scope


def token(scope: Scope, *publishes: str) -> Token:
    return Token(id="1", name="ci", scope=scope, publishes=read_publishes(scope, publishes), created_at=BEGINNING)


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [
        (READ, {READ}),
        (PUBLISH, {READ, PUBLISH}),
        (REQUEST, {READ, REQUEST}),
        (OPERATE, {READ, PUBLISH, REQUEST, OPERATE}),
        (ADMIN, {READ, PUBLISH, REQUEST, OPERATE, ADMIN}),
    ],
)
def test_publish_and_request_stand_side_by_side_below_operate(scope: Scope, allowed: set[Scope]) -> None:
    assert {needed for needed in Scope if scope.allows(needed)} == allowed


@pytest.mark.parametrize(
    ("pattern", "project"),
    [
        ("tool", "tool"),
        ("Acme_Tool", "acme.tool"),
        ("acme-*", "acme-tool"),
        ("acme-*", "Acme.Tool"),
        ("Acme_*", "acme-tool"),
        ("acme.*", "acme-tool"),
        ("acme-web-*", "acme-web-tool-2"),
        ("*", "anything"),
    ],
)
def test_token_publishes_what_it_names_in_any_spelling(pattern: str, project: str) -> None:
    assert token(PUBLISH, "other", pattern).may_publish(project)


@pytest.mark.parametrize(
    ("pattern", "project"),
    [
        ("tool", "tools"),
        ("tool", "tool-kit"),
        ("acme-*", "acme"),
        ("acme-*", "acmetool"),
        ("acme-*", "not-acme-tool"),
        ("acme-web-*", "acme-tool"),
    ],
)
def test_token_publishes_nothing_else(pattern: str, project: str) -> None:
    assert not token(PUBLISH, pattern).may_publish(project)


@pytest.mark.parametrize(("scope", "may"), [(READ, False), (REQUEST, False), (OPERATE, True), (ADMIN, True)])
def test_only_operators_publish_every_project(scope: Scope, may: bool) -> None:  # noqa: FBT001
    assert token(scope).may_publish("anything") is may


def test_names_are_normalised_and_named_once() -> None:
    assert read_publishes(PUBLISH, ["Acme__*", "tool", "acme-*", "Tool"]) == ("acme-*", "tool")


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "**",
        "acme*",
        "*-acme",
        "a*c",
        "acme-**",
        "-*",
        "-acme",
        "acme-",
        "acme-?",
        "ac me",
        "acme-*\n",
        "tool\n",
        "to\0ol",
        "\u212aool",
        "a" * (LONGEST_PUBLISHED + 1),
    ],
)
def test_what_is_no_name_and_no_prefix_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidRequestError, match="is no project name") as caught:
        read_publishes(PUBLISH, ["tool", pattern])
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize(
    ("scope", "patterns", "problem"),
    [
        (PUBLISH, [], "needs a project name or a prefix"),
        (REQUEST, ["tool"], "only a token with the scope 'publish'"),
        (ADMIN, ["*"], "only a token with the scope 'publish'"),
        (PUBLISH, [f"tool-{number}" for number in range(MOST_PUBLISHED + 1)], "at most 100"),
    ],
)
def test_scope_and_projects_must_fit_each_other(scope: Scope, patterns: list[str], problem: str) -> None:
    with pytest.raises(InvalidRequestError, match=problem):
        read_publishes(scope, patterns)


def test_longest_name_and_the_most_of_them_are_accepted() -> None:
    names = [f"{number:03}{'a' * (LONGEST_PUBLISHED - 3)}" for number in range(MOST_PUBLISHED)]
    assert len(read_publishes(PUBLISH, names)) == MOST_PUBLISHED


@pytest.mark.parametrize(
    ("needed", "option"), [(PUBLISH, "--scope publish --project PROJECT'"), (ADMIN, "--scope admin'")]
)
def test_refusal_names_a_command_that_creates_the_missing_token(needed: Scope, option: str) -> None:
    assert option in str(ForbiddenError(needed=needed.value, granted="read").hint)
