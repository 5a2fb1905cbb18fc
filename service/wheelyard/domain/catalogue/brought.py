"""Which builders a brought wheel concerns: those whose targets its tags claim, and the one that repairs it."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final

from packaging.tags import Tag

from wheelyard.domain.catalogue.catalogue import BuilderChoice, Catalogue
from wheelyard.domain.catalogue.reach import Reach
from wheelyard.domain.packaging.coverage import targets_served, wheel_tags
from wheelyard.domain.packaging.target import Policy, Target
from wheelyard.errors import NoTargetFitsError, NotFoundError

_ALL: Final = Reach()
"""Nothing is known to be unreachable."""


def builders_served(
    builders: Iterable[BuilderChoice], filename: str, requires_python: str | None
) -> tuple[BuilderChoice, ...]:
    """Return the builders on whose targets an installer accepts a wheel, in their order.

    Free-threaded Pythons count if a tag names one, or if no other Python accepts the wheel. Pure wheels run on any
    Python, and few of their users have such a one.

    Raises:
        NoTargetFitsError: There is none.
    """
    targets = {Target(python=one.python, policy=one.policy): one for one in builders}
    served = targets_served(filename, requires_python, targets)
    if not any(tag.abi.endswith("t") for tag in wheel_tags(filename)):
        served = frozenset(target for target in served if not target.is_free_threaded) or served
    if not served:
        raise NoTargetFitsError(wheel=filename, requires_python=requires_python, known=list(map(str, targets)))
    return tuple(builder for target, builder in targets.items() if target in served)


def reachable_of(served: Sequence[BuilderChoice], reach: Reach) -> tuple[BuilderChoice, ...]:
    """Return the builders whose Python can be made; raise SourceUnreachableError if there is none."""
    able = tuple(one for one in served if reach.has(one))
    if not able:
        reach.check(served[0])
    return able


def choose_repairer(
    catalogue: Catalogue,
    filename: str,
    requires_python: str | None,
    *,
    suite: str | None = None,
    reach: Reach = _ALL,
) -> BuilderChoice:
    """Return the builder that audits and repairs a wheel.

    That is the one with the newest glibc that is not newer than the oldest policy in the wheel's tags, because it
    disproves a false tag, and what it grafts needs no newer glibc; else the one with the oldest glibc. A wheel without
    a policy in its tags gets the default target's. Its Python is the default one if the wheel runs on that. A wheel for
    Linux that no target accepts gets a builder of its architecture too: its own faults are more useful to know.

    Args:
        catalogue: The builders that there are.
        filename: The wheel's file name.
        requires_python: Its Requires-Python.
        suite: The suite to take instead.
        reach: Which Pythons can be made; a wheel is repaired on one of these.

    Raises:
        NoTargetFitsError: No target accepts the wheel, and no builder could audit it.
        SourceUnreachableError: No Python that the wheel is for can be made.
        NotFoundError: There is no such suite for the wheel's Python and architecture.
    """
    served = reachable_of(_builders_for(catalogue, filename, requires_python), reach)
    default = Target.parse(python=catalogue.default.python, platform=catalogue.default.platform)
    python = next((one.python for one in served if one.python == default.python), served[0].python)
    architectures = {one.policy.architecture for one in served}
    machine = default.policy.architecture if default.policy.architecture in architectures else min(architectures)
    there = [one for one in catalogue.builders() if (one.python, one.policy.architecture) == (python, machine)]
    able = [one for one in there if reach.has(one)] or there
    if suite is not None:
        named = [one for one in able if one.suite == suite]
        if not named:
            raise NotFoundError(kind="suite", name=suite, where=f"for Python {python} on {machine}")
        return named[0]
    newest = oldest_claim(wheel_tags(filename)) or Policy(glibc=default.policy.glibc, architecture=machine)
    older = [one for one in able if one.policy.serves(newest)]
    return max(older, key=_glibc) if older else min(able, key=_glibc)


def _builders_for(catalogue: Catalogue, filename: str, requires_python: str | None) -> Sequence[BuilderChoice]:
    """Return the builders on whose targets a wheel installs, else those of its architecture; raise as they do."""
    try:
        return builders_served(catalogue.builders(), filename, requires_python)
    except NoTargetFitsError:
        platforms = {tag.platform for tag in wheel_tags(filename)}
        builders = catalogue.builders()
        able = [one for one in builders if any(_is_for(platform, one) for platform in platforms)]
        if not able:
            raise
        return able


def _is_for(platform: str, builder: BuilderChoice) -> bool:
    """Return whether a platform tag is for Linux with glibc on a builder's architecture, or for all platforms."""
    architecture = builder.policy.architecture
    policy = Policy.of_tag(platform)
    return platform in {"any", f"linux_{architecture}"} or (policy is not None and policy.architecture == architecture)


def oldest_claim(tags: Collection[Tag]) -> Policy | None:
    """Return the oldest manylinux policy that tags name; None if they name none."""
    return min(_policies(tags), key=lambda policy: policy.glibc, default=None)


def _policies(tags: Collection[Tag]) -> Iterator[Policy]:
    return (policy for tag in tags if (policy := Policy.of_tag(tag.platform)) is not None)


def _glibc(builder: BuilderChoice) -> tuple[int, int]:
    return builder.policy.glibc
