"""Resolve requirements to wheels with uv, for a target that is not this machine."""

import contextlib
import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, cast

from packaging.markers import Environment, UndefinedComparison, UndefinedEnvironmentName
from packaging.pylock import Package, PackageWheel, Pylock, PylockSelectError, PylockValidationError
from packaging.requirements import Requirement
from packaging.utils import NormalizedName
from packaging.version import Version

from wheelyard.adapters.resolver.pages import ResolverPages
from wheelyard.adapters.resolver.uv import Question, UvProcess, UvResolverOptions
from wheelyard.adapters.upstream.http import without_password
from wheelyard.domain.index.placeholder_files import Placeholders
from wheelyard.domain.packaging.release import IndexFile
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.domain.untrusted.requirements import read_requirement
from wheelyard.errors import BuildRequirementsError, WheelsMissingError
from wheelyard.memory_cache import MemoryCache

_SHOWN: Final = 200
MOST_REQUIREMENTS: Final = 2000
"""How many requirements one build may have, or one wheel on a target."""


def applicable_requirements(requirements: Iterable[str], *, target: Target) -> tuple[Requirement, ...]:
    """Parse requirements, evaluate and drop their markers for the target, and sort them.

    A project's own text never reaches a resolver's requirements file as it is: a line there may also be an option, a
    path or an address. Direct references are refused, because their hash cannot be checked.

    Raises:
        BuildRequirementsError: One is malformed, a direct reference, equal to an invalid version, or has a marker
            that has no value.
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


FindFile = Callable[[str, str], IndexFile | None]
"""Finds a file of our own pages by the address and the name in the lock file."""


class UvWheelResolver:
    """Resolve wheels with ``uv pip compile``.

    No project's code runs: uv may use wheels only, and reads their metadata. An equal question within
    ``answer_seconds`` gets the earlier answer without asking uv, so a new release is seen that much later. Equal
    questions at the same time share one run. Failures are not cached.

    Where no such set of wheels exists, uv is run again with sdists instead of the missing wheels. Its choice is what to
    build. Projects without any usable wheel come first, then all releases.
    """

    def __init__(self, options: UvResolverOptions, pages: ResolverPages | None = None) -> None:
        self._uv = UvProcess(options)
        self._pages = pages
        self._answers: MemoryCache[Question, tuple[IndexFile, ...]] = MemoryCache(seconds=options.answer_seconds)

    async def resolve(
        self, requirements: Sequence[str], *, target: Target, constraints: Sequence[str] = ()
    ) -> tuple[IndexFile, ...]:
        """Return one wheel for each project that the requirements need on the target.

        Raise BuildRequirementsError with uv's own explanation if there is no such set of wheels, WheelsMissingError if
        builds of some releases would complete it, OwnProjectError if one of them has a name of our own and is not on
        our index, and IndexUnavailableError if an index does not answer.
        """
        question = Question(
            requirements=tuple(map(str, applicable_requirements(requirements, target=target))),
            constraints=tuple(map(str, applicable_requirements(constraints, target=target))),
            target=target,
        )
        if not question.requirements:
            return ()
        return await self._answers.get(question, functools.partial(self._ask, question))

    async def _ask(self, question: Question) -> tuple[IndexFile, ...]:
        try:
            chosen = await self._choose(question, Placeholders.NONE)
            return tuple(chosen.values())
        except BuildRequirementsError as error:
            if self._pages is None or not (missing := await self._missing(question)):
                raise
            raise WheelsMissingError(releases=missing, target=str(question.target)) from error

    async def _missing(self, question: Question) -> list[tuple[str, str]]:
        """Return the releases whose wheels would complete a set, as project and version; none if nothing would."""
        for placeholders in (Placeholders.WHEELLESS, Placeholders.ALL):
            with contextlib.suppress(BuildRequirementsError):
                chosen = await self._choose(question, placeholders)
                return [(name, str(file.version)) for name, file in chosen.items() if file.kind == "sdist"]
        return []

    async def _choose(self, question: Question, placeholders: Placeholders) -> dict[NormalizedName, IndexFile]:
        if self._pages is None:
            return _read_lock(await self._compile(question), question, lambda *_: None)
        async with self._pages.open(question.target, placeholders) as session:
            with session.explained():
                lock = await self._compile(question, session.url)
            return _read_lock(lock, question, session.find)

    async def _compile(self, question: Question, pages: str | None = None) -> dict[str, Any]:
        return await self._uv.compile(question, "--only-binary", ":all:", pages=pages)


def _read_lock(content: dict[str, Any], question: Question, find: FindFile) -> dict[NormalizedName, IndexFile]:
    environment = cast("Environment", question.target.marker_environment())
    try:
        lock = Pylock.from_dict(content)
        selected = list(lock.select(environment=environment, tags=question.target.tags()))
    except (PylockSelectError, PylockValidationError) as error:
        raise BuildRequirementsError(requirements=question.requirements, reason=str(error)) from error
    return {package.name: _read_wheel(package, chosen, question, find) for package, chosen in selected}


def _read_wheel(package: Package, chosen: object, question: Question, find: FindFile) -> IndexFile:
    match package, chosen:
        case Package(version=Version() as version), PackageWheel(url=str(url), hashes={"sha256": str(sha256)}):
            pass
        case _:
            reason = f"{package.name} has no wheel with an address and a sha256"
            raise BuildRequirementsError(requirements=question.requirements, reason=reason)
    return find(url, chosen.filename) or IndexFile(
        filename=chosen.filename,
        url=without_password(url),
        sha256=sha256.lower(),
        kind="wheel",
        version=version,
        size_bytes=chosen.size,
        upload_time=chosen.upload_time,
    )
