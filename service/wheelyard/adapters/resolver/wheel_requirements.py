"""Build requirements as a project states them, made safe to hand to a resolver. Must not resolve them."""

from collections.abc import Iterable
from typing import Final

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import Requirement

from wheelyard.domain.packaging.target import Target
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.domain.untrusted.requirements import read_requirement
from wheelyard.errors import BuildRequirementsError

_SHOWN: Final = 200
MOST_REQUIREMENTS: Final = 2000
"""Of one build, or of one wheel on a target."""


def applicable_requirements(requirements: Iterable[str], *, target: Target) -> tuple[Requirement, ...]:
    """Parse requirements, evaluate and drop their markers for the target, and sort them.

    A project's own text must never reach a resolver's requirements file as it is: a line there may also be an
    option, a path or an address. Direct references are refused, for nothing vouches for their hash.

    Raises:
        BuildRequirementsError: One is malformed, a direct reference, equal to what is no version, or has a marker that
            has no value.
    """
    texts = list(requirements)
    if len(texts) > MOST_REQUIREMENTS:
        raise _refused(texts[0], f"there are {len(texts)} requirements; {MOST_REQUIREMENTS} are allowed")
    applicable = [one for one in map(_parse, texts) if _applies(one, target)]
    for one in applicable:
        one.marker = None
    return tuple(sorted(set(applicable), key=str))


def _parse(text: str) -> Requirement:
    try:
        requirement = read_requirement(text)
    except RefusedTextError as error:
        raise _refused(text, str(error)) from error
    if requirement.url is not None:
        raise _refused(text, "it is a direct reference, and build requirements come from the index only")
    return requirement


def _applies(requirement: Requirement, target: Target) -> bool:
    try:
        return requirement.marker is None or requirement.marker.evaluate(target.marker_environment())
    except (UndefinedComparison, UndefinedEnvironmentName) as error:
        raise _refused(str(requirement), f"its marker cannot be evaluated ({error})") from error


def _refused(text: str, reason: str) -> BuildRequirementsError:
    shown = " ".join(text.split())[:_SHOWN]
    return BuildRequirementsError(requirements=[shown], reason=reason)
