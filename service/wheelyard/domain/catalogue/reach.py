"""Which Pythons of the catalogue can be made: an engine has their images, or a mirror has their source."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Self

from wheelyard.domain.catalogue.catalogue import BuilderChoice, Catalogue
from wheelyard.domain.packaging.target import Policy, Target, is_free_threaded, python_order
from wheelyard.domain.untrusted.versions import find_version
from wheelyard.errors import SourceUnreachableError

FROM_IMAGE: Final = "image"
"""Instead of a URL: the engine has the image, so no source is needed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceTry:
    """An address where the source of a Python was looked for."""

    url: str
    answer: str
    """What came back, such as ``it answered 404 Not Found``."""

    def __str__(self) -> str:
        return f"{self.url} ({self.answer})"


@dataclass(frozen=True, kw_only=True, slots=True)
class PythonReach:
    """Whether one engine can have a Python of a suite."""

    architecture: str
    suite: str
    python: str
    reachable: bool
    version: str = ""
    """The release that it is, or would be, compiled from; empty if there is none."""
    tried: tuple[SourceTry, ...] = ()
    """The addresses that do not have its source."""

    @property
    def key(self) -> tuple[str, str, str]:
        """Return what it is about: architecture, suite and Python."""
        return self.architecture, self.suite, self.python


@dataclass(frozen=True, kw_only=True, slots=True)
class Reach:
    """What all engines together can have. A Python that no engine has reported counts as reachable."""

    known: Mapping[tuple[str, str, str], PythonReach] = field(default_factory=dict)

    @classmethod
    def of(cls, reports: Iterable[Iterable[PythonReach]]) -> Self:
        """Return the sum of reports: a Python is reachable if one engine can have it."""
        known: dict[tuple[str, str, str], PythonReach] = {}
        for one in (one for report in reports for one in report):
            if one.key not in known or (one.reachable and not known[one.key].reachable):
                known[one.key] = one
        return cls(known=known)

    def of_builder(self, builder: BuilderChoice) -> PythonReach | None:
        """Return what is known of a builder's Python; None if nothing is."""
        return self.known.get((builder.policy.architecture, builder.suite, builder.python))

    def has(self, builder: BuilderChoice) -> bool:
        """Return whether a builder's Python is reachable, as far as is known."""
        found = self.of_builder(builder)
        return found is None or found.reachable

    def check(self, builder: BuilderChoice) -> None:
        """Raise SourceUnreachableError if a builder's Python is known to be unreachable."""
        found = self.of_builder(builder)
        if found is not None and not found.reachable:
            raise unreachable_error(found)

    def default_python(self, catalogue: Catalogue, platform: str) -> str:
        """Return the newest Python for a platform that is known to be reachable, and is stable.

        Free-threaded Pythons and pre-releases are not stable. While nothing is known, it is the catalogue's default.
        """
        policy = Policy.parse(platform)
        able = [
            one
            for one in catalogue.builders()
            if one.policy.serves(policy) and not is_free_threaded(one.python) and self._is_stable(one)
        ]
        newest = max(able, key=lambda one: python_order(one.python), default=None)
        return catalogue.default.python if newest is None else newest.python

    def _is_stable(self, builder: BuilderChoice) -> bool:
        found = self.of_builder(builder)
        version = find_version(found.version) if found is not None and found.reachable else None
        return version is not None and not version.is_prerelease


def reachable_targets(catalogue: Catalogue, reach: Reach) -> tuple[Target, ...]:
    """Return the targets whose Python is not known to be unreachable, in the catalogue's order."""
    return tuple(Target(python=one.python, policy=one.policy) for one in catalogue.builders() if reach.has(one))


def unreachable_error(found: PythonReach) -> SourceUnreachableError:
    """Return the error of a request for an unreachable Python."""
    return SourceUnreachableError(
        python=found.python, suite=found.suite, architecture=found.architecture, tried=tuple(map(str, found.tried))
    )
