"""Which wheels a brought sdist becomes: one request for its release, with an item for each target.

``decide`` and ``assign_builds`` then start as few builds as the tags allow: the first wheel shows whether it serves
every target (pure), newer Pythons too (abi3), or its own Python only.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from wheelyard.domain.dependencies.files import Origin
from wheelyard.domain.index.sdists import BroughtSdist
from wheelyard.domain.packaging.release import allows_python
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.prebuilds.prebuild import Item
from wheelyard.errors import UnknownTargetError


@dataclass(frozen=True, kw_only=True, slots=True)
class NamedTargets:
    """The Pythons and platforms that somebody wants an sdist's wheels for.

    An empty tuple names all that there are, but no free-threaded Pythons: many projects do not build for them yet, and
    an upload should not end in failures that nobody asked for.
    """

    pythons: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Return whether anything is named."""
        return bool(self.pythons or self.platforms)

    def among(self, known: Sequence[Target], *, reachable: Collection[Target] | None = None) -> tuple[Target, ...]:
        """Return the targets that they name; raise UnknownTargetError if one of them names none.

        Of those whose Python is not named, only the reachable ones count. A named Python that is nowhere reachable is
        among the result, so that the request can be refused with the reason.
        """
        able = known if reachable is None else [one for one in known if one in reachable]
        pythons = self.pythons or tuple(dict.fromkeys(target.python for target in _ordinary(able)))
        platforms = self.platforms or tuple(dict.fromkeys(target.platform for target in known))
        found = tuple(one for one in known if one.python in pythons and one.platform in platforms)
        for python in self.pythons:
            if all(one.python != python for one in found):
                raise _unknown(python, platforms[0], known)
        for platform in self.platforms:
            if all(one.platform != platform for one in found):
                raise _unknown(pythons[0], platform, known)
        had = {one.python for one in found if one in able}
        return tuple(one for one in found if one in able or one.python not in had)


_SHOWN: Final = 80
ALL_TARGETS: Final = NamedTargets()


def _unknown(python: str, platform: str, known: Sequence[Target]) -> UnknownTargetError:
    names = [str(target) for target in known]
    return UnknownTargetError(python=python[:_SHOWN], platform=platform[:_SHOWN], known=names)


def default_targets(targets: Iterable[Target], architectures: Collection[str]) -> tuple[Target, ...]:
    """Return the targets to build for where nobody names any: all that a worker can build, with the GIL.

    Without any worker these are all targets. An architecture without a worker must not be asked first, because
    everything else would wait for its build.
    """
    known = _ordinary(tuple(targets))
    able = tuple(target for target in known if target.policy.architecture in architectures)
    return able or known


def _ordinary(targets: Sequence[Target]) -> tuple[Target, ...]:
    """Return the targets whose Python is not free-threaded; all of them if there are no others."""
    return tuple(target for target in targets if not target.is_free_threaded) or tuple(targets)


def usable_targets(
    sdist: BroughtSdist, targets: Iterable[Target], *, is_supported: Callable[[Target], bool]
) -> tuple[Target, ...]:
    """Return the targets that an sdist can have wheels for: by its Requires-Python, and by its recipe."""
    distinct = dict.fromkeys(targets)
    return tuple(
        target for target in distinct if allows_python(sdist.requires_python, target.python) and is_supported(target)
    )


def items_of(sdist: BroughtSdist, targets: Sequence[Target]) -> tuple[Item, ...]:
    """Return the items of the request for an sdist's wheels."""
    origin = Origin(file=sdist.filename)
    return tuple(Item(project=sdist.project, version=sdist.version, target=target, origin=origin) for target in targets)
