"""Which components of a wheel have a license that nobody may ship.

Expressions are those of SPDX: https://spdx.github.io/spdx-spec/v2.3/SPDX-license-expressions/. What comes from a crate
is text of strangers, so nothing here recurses.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Final

from wheelyard.domain.builds.components import Component

UNKNOWN: Final = "NOASSERTION"
"""SPDX's name of what is not known."""
_DEBIANS: Final = "licenseref-debian-"
"""Beginning of the names that builders/agent gives to licenses without a name in SPDX, in lower case."""
_TOKEN: Final = re.compile(r"[()]|[^\s()]+")
_OPERATORS: Final = frozenset({"AND", "OR", "(", ")"})
_BINDING: Final = {"OR": 1, "AND": 2}
_MAX_TOKENS: Final = 2000


def denied_license(expression: str | None, patterns: Sequence[str]) -> str | None:
    """Return the denied license that nobody can avoid; None if one may ship what has the expression.

    Of alternatives (``OR``) one may choose. An expression that cannot be parsed counts as all of its names together.

    Args:
        expression: None if the license is not known, which is denied by the pattern ``NOASSERTION``.
        patterns: Shell patterns of SPDX names, whatever their case, such as ``AGPL-*``.
    """
    tokens = _tokens(expression or UNKNOWN)
    try:
        return _evaluate(tokens, patterns)
    except (IndexError, ValueError):
        names = (one for one in tokens if one.upper() not in _OPERATORS)
        return next((one for one in names if _is_denied(one, patterns)), None)


def license_problems(components: Iterable[Component], patterns: Sequence[str], *, rule: str) -> Iterator[str]:
    """Yield which component has a license that a rule denies, and from where it comes."""
    for one in components if patterns else ():
        denied = denied_license(one.license, patterns)
        if denied is None:
            continue
        license_ = "a license that is not known" if denied == UNKNOWN else f"the license {denied}"
        files = ", ".join(one.files[:3]) + (" and more" if len(one.files) > 3 else "")  # noqa: PLR2004  as in the list
        where = f" ({one.kind}: {files})" if files else f" ({one.kind})"
        pattern = next(pattern for pattern in patterns if _matches(denied, pattern))
        yield f"{one.place}{where} has {license_}, and {rule} has {pattern!r}"


def _tokens(expression: str) -> list[str]:
    """Return names, operators and brackets; a name with its exception is one."""
    tokens: list[str] = []
    for word in _TOKEN.findall(expression)[:_MAX_TOKENS]:
        if tokens and (word.upper() == "WITH" or tokens[-1].endswith(" WITH")):
            tokens[-1] += f" {word.upper() if word.upper() == 'WITH' else word}"
        else:
            tokens.append(word.upper() if word.upper() in _OPERATORS else word)
    return tokens


def _evaluate(tokens: Sequence[str], patterns: Sequence[str]) -> str | None:
    """Return the denied license of an expression; raise IndexError or ValueError if it is none."""
    values: list[str | None] = []
    for part in _postfix(tokens):
        if part not in _BINDING:
            values.append(part if _is_denied(part, patterns) else None)
            continue
        right, left = values.pop(), values.pop()
        values.append((left or right) if part == "AND" else (right and left))
    if len(values) != 1:
        raise ValueError("names stand together")
    return values[0]


def _postfix(tokens: Sequence[str]) -> Iterator[str]:
    """Yield names and operators, each operator behind its two operands; raise IndexError or ValueError."""
    waiting: list[str] = []
    for part in tokens:
        if part == "(":
            waiting.append(part)
        elif part == ")":
            while (operator := waiting.pop()) != "(":
                yield operator
        elif part in _BINDING:
            while waiting and _BINDING.get(waiting[-1], 0) >= _BINDING[part]:
                yield waiting.pop()
            waiting.append(part)
        else:
            yield part
    if "(" in waiting:
        raise ValueError("a bracket is open")
    yield from reversed(waiting)


def _is_denied(name: str, patterns: Sequence[str]) -> bool:
    return any(_matches(name, pattern) for pattern in patterns)


def _matches(name: str, pattern: str) -> bool:
    """Return whether a pattern is of a name; of one that only Debian has, the pattern may leave out the reference.

    ``GPL-2+ with OpenSSL exception`` is such a name, and ``GPL-*`` denies it.
    """
    lowered = name.lower()
    return any(fnmatchcase(one, pattern.lower()) for one in (lowered, lowered.removeprefix(_DEBIANS)))
