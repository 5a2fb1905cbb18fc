"""A wheel's tags and its Requires-Python must have a Python in common."""

import pytest
from packaging.tags import parse_tag

from wheelyard.domain.packaging.pythons import oldest_allowed, runs_somewhere


@pytest.mark.parametrize(
    ("tag", "requires_python", "runs"),
    [
        ("cp313-cp313-linux_x86_64", None, True),
        ("cp313-cp313-linux_x86_64", ">=3.9", True),
        ("cp313-cp313-linux_x86_64", ">=3.13.1", True),
        ("cp313-cp313-linux_x86_64", "no specifier", True),
        ("cp313-cp313-linux_x86_64", "<3.12", False),
        ("cp313-cp313-linux_x86_64", ">=3.14", False),
        ("cp313-cp313t-linux_x86_64", "<3.13", False),
        ("cp311.cp313-none-linux_x86_64", "<3.12", True),
        ("cp39-abi3-linux_x86_64", ">=3.11", True),
        ("cp39-abi3-linux_x86_64", "<3.9", False),
        ("py3-none-any", ">=3.14", True),
        ("py3-none-any", "<3", False),
        ("py312-none-any", ">=3.13", True),
        ("py312-none-any", "<3.12", False),
        ("py2-none-any", ">=3.8", False),
        ("py2.py3-none-any", ">=3.8", True),
        ("pp311-pypy311_pp73-linux_x86_64", "<3", True),
    ],
)
def test_wheel_runs_where_both_allow_it(tag: str, requires_python: str | None, runs: bool) -> None:  # noqa: FBT001
    assert runs_somewhere(parse_tag(tag), requires_python) is runs


@pytest.mark.parametrize(
    ("requires_python", "oldest"),
    [(None, None), (">=3.11", (3, 11)), (">3.11", (3, 11)), (">=3.0", None), ("<3", None), ("!=3.0.*,!=3.1.*", (3, 2))],
)
def test_oldest_allowed_python_is_found(requires_python: str | None, oldest: tuple[int, int] | None) -> None:
    assert oldest_allowed(requires_python) == oldest
