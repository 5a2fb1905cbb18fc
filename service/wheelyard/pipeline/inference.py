"""Turn what a build lacks into values of its recipe, from the suite's own archive and the index's dates."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from wheelyard.domain.catalogue.archive_files import PackageFile, WantedFile
from wheelyard.domain.healing.healing import Inference, InferenceSource
from wheelyard.domain.healing.inferred_recipe import has_value
from wheelyard.domain.healing.mending import Mend
from wheelyard.domain.packaging.release import ProjectFiles
from wheelyard.domain.recipes.effective import EffectiveRecipe
from wheelyard.domain.toolchain import ToolchainNeed
from wheelyard.domain.untrusted.file_names import read_wheel_name
from wheelyard.errors import CallerError, OperatorError, OwnProjectError, UnknownProjectError, WheelyardError
from wheelyard.pipeline.job import Job, Tools


@dataclass(kw_only=True, slots=True)
class Basket:
    """What is added to a build's recipe in one round, within the limits of all rounds."""

    job: Job
    tools: Tools
    source: InferenceSource
    room: int
    """How many more packages may be added."""
    added: list[Inference] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """What was not added although it would mend something, with the reason."""
    bytes_left: int
    """How many more bytes these packages may have, installed."""

    @property
    def recipe(self) -> EffectiveRecipe:
        """Return the build's recipe as it is before this round."""
        return self.job.claim.order.recipe

    def add(self, key: str, value: str, reason: str, *, line: str = "", size_bytes: int = 0) -> bool:
        """Add a value, once; return whether the recipe did not have it before this round."""
        one = Inference(key=key, value=value, source=self.source, reason=reason, line=line, size_bytes=size_bytes)
        if has_value(self.recipe, one):
            return False
        if all((one.key, one.value) != (other.key, other.value) for other in self.added):
            self.added.append(one)
        return True

    async def add_package(self, wanted: Sequence[WantedFile], *, line: str = "", key: str = "") -> bool:
        """Add the package that has the first of some files that any has; return whether one was added."""
        found = await find_packages(self.job, self.tools, wanted)
        if found is None:
            return False
        name, packages = found
        manager = self.tools.images.package_manager(self.job.claim.order.builder)
        # One that is added for another file, and has this one too, is rather meant than the best for this file alone.
        if {(one.key, one.value) for one in self.added} & {(key or manager, one.package) for one in packages}:
            return True
        package = packages[0]
        if self.room <= 0 or package.installed_bytes > self.bytes_left:
            self.refused.append(f"{package.package} for {name} is too much: the limit of what is added is reached")
            return False
        reason = f"{name} is in {package.package}"
        size = package.installed_bytes
        if not self.add(key or manager, package.package, reason, line=line, size_bytes=size):
            return False
        self.room -= 1
        self.bytes_left -= size
        return True


async def find_packages(
    job: Job, tools: Tools, wanted: Iterable[WantedFile]
) -> tuple[str, tuple[PackageFile, ...]] | None:
    """Return the name of the first of some files that a package of the suite has, and all packages that have it.

    The best package comes first.

    An archive that cannot be read finds nothing: the build then fails with what it lacks, as without healing.
    """
    order = job.claim.order
    for one in wanted:
        try:
            found = await tools.archives.find(order.builder, order.target.policy.architecture, one)
        except (CallerError, OperatorError) as error:
            await job.note(f"which package has {one.name} is not known: {error.summary}")
            return None
        if found:
            return one.name, tuple(found)
    return None


async def add_mend(basket: Basket, mend: Mend, given: Sequence[str]) -> bool:
    """Add what mends one finding; return whether that is new.

    Args:
        basket: Where it is added.
        mend: What would mend the finding.
        given: File names of the build requirements that the build had.
    """
    finding = mend.finding
    if mend.toolchain:
        return _add_toolchain(basket, mend)
    if mend.cythonize:
        return _add_cythonize(basket, mend, given)
    if mend.requirement:
        have = {str(read_wheel_name(name)[0]) for name in given}
        if mend.requirement in have or not await _is_on_index(basket, mend.requirement):
            return False
        reason = f"{finding.name} is missing from its build requirements"
        return basket.add("build-requires.add", mend.requirement, reason, line=finding.line)
    if mend.older is not None:
        return await _add_older(basket, mend, given)
    return await basket.add_package(mend.files, line=finding.line)


def _add_cythonize(basket: Basket, mend: Mend, given: Sequence[str]) -> bool:
    """Have C sources made anew, by the project's own Cython if it requires one."""
    line = mend.finding.line
    if not basket.add("cythonize", "*", "an older Cython made its C sources", line=line):
        return False
    if "cython" not in {str(read_wheel_name(name)[0]) for name in given}:
        basket.add("build-requires.add", mend.requirement, "it makes the C sources anew", line=line)
    return True


async def _is_on_index(basket: Basket, requirement: str) -> bool:
    """Return whether the index has a wheel for a requirement that a log led to; the name may be no project at all."""
    try:
        files = await basket.tools.resolver.resolve([requirement], target=basket.job.claim.order.target)
    except WheelyardError:
        return False
    return bool(files)


def _add_toolchain(basket: Basket, mend: Mend) -> bool:
    try:
        need = ToolchainNeed.parse(mend.toolchain)
    except ValueError:
        return False
    reason = f"{mend.finding.name} is of the toolchain {need.name}"
    return basket.add("toolchains", str(need), reason, line=mend.finding.line)


async def _add_older(basket: Basket, mend: Mend, given: Sequence[str]) -> bool:
    """Add constraints to what build requirements were on the day of the release: of the one that is named, else of all.

    If the named one is constrained already, the failure has another reason, and all are.
    """
    day = await _release_day(basket)
    if day is None:
        return False
    constrained = {text.partition("<")[0] for text in basket.recipe.build_constraints}
    names = dict(read_wheel_name(name)[:2] for name in given)
    only = mend.older if mend.older in names and mend.older not in constrained else None
    added = False
    for name, now in sorted(names.items()):
        if only is not None and name != only:
            continue
        then = newest_on(await _page_of(name, basket), day)
        if then is not None and then < now:
            reason = f"{name} was {then} on {day:%Y-%m-%d}, when it was released, and is {now} now"
            added |= basket.add("build-constraints", f"{name}<={then}", reason, line=mend.finding.line)
    return added


async def _release_day(basket: Basket) -> datetime | None:
    """Return when the index got the sdist; None if it does not say."""
    order = basket.job.claim.order
    page = await _page_of(canonicalize_name(order.project), basket)
    return next((file.upload_time for file in page.files if file.sha256 == order.sdist.sha256), None)


async def _page_of(project: NormalizedName, basket: Basket) -> ProjectFiles:
    """Return a project's page; an empty one for a project that is not upstream, or that is never asked for there."""
    try:
        return await basket.tools.source.project(project)
    except (OwnProjectError, UnknownProjectError):
        return ProjectFiles(project=project, files=())


def newest_on(page: ProjectFiles, day: datetime) -> Version | None:
    """Return the newest final release of a project that had a wheel on a day; None if there was none."""
    there = (
        file.version
        for file in page.files
        if file.kind == "wheel" and file.upload_time is not None and file.upload_time <= day
    )
    return max((version for version in there if not version.is_prerelease), default=None)
