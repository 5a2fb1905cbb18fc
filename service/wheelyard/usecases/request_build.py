"""Turn a requirement into a build: choose release, builder and recipe, and submit it."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from wheelyard.build_events import note_cancelled, note_left, note_submitted
from wheelyard.domain.access import Scope
from wheelyard.domain.builds.build import Build, BuildOrder, SdistSource, SourceKind
from wheelyard.domain.builds.file_source import FileOrigin
from wheelyard.domain.builds.git_identity import read_identity
from wheelyard.domain.builds.git_source import GitOrigin, GitRequest
from wheelyard.domain.builds.key import KeyFacts, build_key, source_digest
from wheelyard.domain.builds.local_source import LocalKind, LocalOrigin, stated_version, version_of_wheel
from wheelyard.domain.builds.queue import Priority
from wheelyard.domain.builds.records import Submission, Token
from wheelyard.domain.catalogue.brought import choose_repairer
from wheelyard.domain.catalogue.catalogue import BuilderChoice, Catalogue, choose_toolchains
from wheelyard.domain.catalogue.definition import toolchain_definition
from wheelyard.domain.catalogue.reach import PythonReach, Reach, reachable_targets
from wheelyard.domain.packaging.coverage import serves, targets_served
from wheelyard.domain.packaging.own_projects import OwnProjects
from wheelyard.domain.packaging.release import Release, choose_release, parse_requirement
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.recipes.effective import EffectiveRecipe, repair_part
from wheelyard.domain.recipes.merge import merge_rules
from wheelyard.domain.recipes.recipe import Recipe
from wheelyard.domain.recipes.system_packages import packages_for
from wheelyard.domain.trace import NO_TRACE, Trace
from wheelyard.domain.untrusted.file_names import WheelName, read_sdist_name, read_wheel_name
from wheelyard.domain.untrusted.versions import read_version
from wheelyard.errors import (
    GitHostRefusedError,
    GitProjectUnknownError,
    GitRefUnknownError,
    NetworkRefusedError,
    RecipeError,
    ReleaseUnsupportedError,
    SourceUnreachableError,
    ToolchainTooOldError,
    UnknownTargetError,
)
from wheelyard.interfaces import BuildStore, GitCommit, GitRepositories, RecipeRegistry, SourceIndex

_REFUSALS: Final = (RecipeError, ToolchainTooOldError, NetworkRefusedError, SourceUnreachableError, UnknownTargetError)


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildRequest:
    """A request for a build."""

    requirement: str
    """The requirement of a release; not read if there is a source in git."""
    python: str
    platform: str
    requested_by: str
    git: GitRequest | None = None
    """The source in git that is built, in place of a release of the index."""
    commit: GitOrigin | None = None
    """The commit that its ref was found to be before; None to look it up."""
    file: FileOrigin | None = None
    """The file at an address that is built, in place of a release of the index."""
    priority: Priority = Priority.INTERACTIVE
    prebuild_id: str | None = None
    """The prebuild that needs it."""
    trace: Trace = NO_TRACE


@dataclass(frozen=True, kw_only=True, slots=True)
class BuilderFacts:
    """Facts that are the same for every request until the next start."""

    catalogue: Catalogue
    definitions: Mapping[tuple[str, str, str], str]
    """Digest of each builder's definition, by architecture, suite and Python."""
    agent_digest: str
    build_number: int
    network_for_recipes: bool = False
    """True if the operator has a network for builds whose recipe asks for one."""
    own_projects: OwnProjects = field(default_factory=OwnProjects)
    """The organisation's own projects, whose tags in git are releases."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BroughtWheel:
    """A wheel that others built, and that is to be repaired and verified."""

    filename: str
    url: str
    """Where workers find it."""
    sha256: str
    size_bytes: int | None
    requires_python: str | None
    suite: str | None = None
    """The suite whose builder repairs it; None for the one that its tags point to."""
    origin: FileOrigin | None = None
    """The address that it comes from; None if somebody sent it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SentSource:
    """A folder or an sdist that a caller sent, after it was checked as data."""

    origin: LocalOrigin
    url: str
    """Where workers find what was sent."""
    project: NormalizedName
    version: Version | None
    """The version that its files state."""
    python: str
    platform: str


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundCommit:
    """The commit that a source in git is, and what its files say."""

    origin: GitOrigin
    project: NormalizedName
    stated: Version
    """The version that its files or its tag state; 0 if they leave it to the project's code."""
    texts: Mapping[str, str]
    """The files in its project's folder that may say more, by name."""

    @property
    def version(self) -> Version:
        """Return the version that its wheel will have by what is stated."""
        return version_of_wheel(self.stated, self.origin)


class PlanBuild:
    """Decides what to build, without submitting it."""

    def __init__(  # noqa: PLR0913  (each is one thing that decides)
        self,
        *,
        source: SourceIndex,
        recipes: RecipeRegistry,
        facts: BuilderFacts,
        builds: BuildStore | None = None,
        repositories: GitRepositories | None = None,
        reach: Callable[[], Reach] = Reach,
    ) -> None:
        """Keep what is known of projects and builders, former builds, whose wheels may serve, and sources in git.

        ``reach`` returns which Pythons can be made now.
        """
        self._reach = reach
        self._repositories = repositories
        self._source = source
        self._builds = builds
        self._recipes = recipes
        self._facts = facts

    async def decide(self, request: BuildRequest) -> BuildOrder:
        """Return what to build.

        Raise a CallerError, a RecipeError, ReleaseUnsupportedError, ToolchainTooOldError, NetworkRefusedError,
        SourceUnreachableError or IndexUnavailableError if that cannot be done.
        """
        if request.git is not None:
            return await self._decide_git(request, request.git)
        if request.file is not None:
            return self._decide_file(request, request.file)
        requirement = parse_requirement(request.requirement)
        wanted, builder = self._choose_builder(request)
        page = await self._source.project(requirement.project)
        release = choose_release(requirement, page, python=wanted.python)
        # What a builder makes depends on the builder's glibc, not on the newer one that was requested.
        target = Target(python=builder.python, policy=builder.policy)
        served = None if wanted == target else await self._order_that_serves(request, release, wanted)
        return served or self._order(request, release, target, builder.suite)

    async def _decide_git(self, request: BuildRequest, wanted: GitRequest) -> BuildOrder:
        """Return the order of the commit that a ref has now; raise also as ``find_commit`` does."""
        _, builder = self._choose_builder(request)
        found = await self.find_commit(wanted, known=request.commit)
        url = str(found.origin)
        source = SdistSource(filename="", url=url, sha256="", size_bytes=None, kind=SourceKind.GIT, git=found.origin)
        return self._order_of_source(
            source,
            builder,
            found.project,
            version=found.stated,
            at=found.origin.commit,
            requirement=f"{found.project} @ {wanted}",
        )

    def _decide_file(self, request: BuildRequest, origin: FileOrigin) -> BuildOrder:
        """Return the order of an sdist at an address, or of the wheel there if it is for the target."""
        wanted, builder = self._choose_builder(request)
        if not origin.is_wheel:
            source = SdistSource(
                filename=origin.name,
                url=origin.url,
                sha256=origin.sha256,
                size_bytes=origin.size_bytes,
                kind=SourceKind.FILE,
                file=origin,
            )
            project = read_sdist_name(origin.name).project
            requirement = f"{project} @ {origin.address}"
            return self._order_of_source(
                source,
                builder,
                project,
                version=read_version(origin.version),
                at=origin.sha256,
                requirement=requirement,
            )
        if not targets_served(origin.name, origin.requires_python, [wanted]):
            raise ReleaseUnsupportedError(
                release=origin.name,
                target=str(wanted),
                suite=builder.suite,
                reason="it is a wheel, and its tags or its Requires-Python are not for this target",
            )
        brought = BroughtWheel(
            filename=origin.name,
            url=origin.url,
            sha256=origin.sha256,
            size_bytes=origin.size_bytes,
            requires_python=origin.requires_python,
            origin=origin,
        )
        return self.bring(brought)

    def decide_local(self, sent: SentSource) -> BuildOrder:
        """Return the order of what a caller sent; raise as ``decide`` does for the target and the recipe."""
        _, builder = self._choose_builder(sent)
        origin = sent.origin
        is_sdist = origin.kind is LocalKind.SDIST
        source = SdistSource(
            filename=origin.name if is_sdist else "",
            url=sent.url,
            sha256=origin.sha256 if is_sdist else "",
            size_bytes=origin.size_bytes if is_sdist else None,
            kind=SourceKind.LOCAL,
            local=origin,
        )
        requirement = f"{sent.project} @ local {origin.kind} {origin.name} sha256={origin.sha256[:12]}"
        return self._order_of_source(
            source, builder, sent.project, version=sent.version, at=origin.sha256, requirement=requirement
        )

    def _order_of_source(  # noqa: PLR0913  (what is known of a source before its sdist is made)
        self,
        source: SdistSource,
        builder: BuilderChoice,
        project: NormalizedName,
        *,
        version: Version | None,
        at: str,
        requirement: str,
    ) -> BuildOrder:
        """Return the order of a commit, of what a caller sent, or of a file; raise if the recipe does not allow it."""
        if (origin := source.git or source.local or source.file) is None:
            raise AssertionError("a release of an index has no such order")
        target, suite = Target(python=builder.python, policy=builder.policy), builder.suite
        stated = version or stated_version(origin) or read_version("0")
        recipe = merge_rules(self._recipes.find(project), version=stated, target=target, suite=suite)
        label = f"{project} at {at[:12]}"
        if recipe.unsupported is not None:
            raise ReleaseUnsupportedError(
                release=label, target=str(target), suite=suite, reason=recipe.unsupported.rstrip("."), others=[]
            )
        self._check_means(recipe, label, suite)
        return BuildOrder(
            key=self._key(recipe, source_digest(source), target, suite, kind=source.kind),
            requirement=requirement,
            project=project,
            version=str(version_of_wheel(stated, origin)),
            sdist=source,
            target=target,
            builder=suite,
            recipe_digest=recipe.digest,
            recipe=recipe,
        )

    async def find_commit(
        self, wanted: GitRequest, *, known: GitOrigin | None = None, locked: str | None = None
    ) -> FoundCommit:
        """Return the commit that a source in git is now, and read what its files state.

        Args:
            wanted: The source.
            known: The commit that its ref was found to be before, so that it is not looked up again.
            locked: The commit that a lock names for it. Its ref counts only while it is this commit.

        Raises GitHostRefusedError, GitRefUnknownError, GitProjectUnknownError, GitSourceRefusedError or
        GitUnavailableError.
        """
        if self._repositories is None:
            raise GitHostRefusedError(url=wanted.url, entry=wanted.url, allowed=())
        origin = known or await self._resolve(self._repositories, wanted, locked)
        files = await self._repositories.fetch(origin)
        identity = await asyncio.to_thread(read_identity, files.texts)
        project = wanted.project or identity.project
        if project is None:
            raise GitProjectUnknownError(source=str(wanted))
        if known is None:
            may_release = self._facts.own_projects.include(project)
            origin = replace(origin, moved_from=await self._moved_from(origin), may_release=may_release)
        stated = identity.version or stated_version(origin) or read_version("0")
        return FoundCommit(origin=origin, project=project, stated=stated, texts=files.texts)

    @staticmethod
    async def _resolve(repositories: GitRepositories, wanted: GitRequest, locked: str | None) -> GitOrigin:
        try:
            found = await repositories.resolve(wanted)
        except GitRefUnknownError:
            if locked is None:
                raise
            found = GitCommit(commit="")
        ref = wanted.ref
        if locked is not None and found.commit != locked:
            ref, found = locked, GitCommit(commit=locked)
        return GitOrigin(url=wanted.url, ref=ref, commit=found.commit, subdirectory=wanted.subdirectory, tag=found.tag)

    async def _moved_from(self, origin: GitOrigin) -> str | None:
        """Return the commit that a tag had when it was built before, if it was another one."""
        if origin.tag is None or self._builds is None:
            return None
        former = await self._builds.find_commit(origin.url, tag=origin.tag)
        return former if former != origin.commit else None

    async def _order_that_serves(self, request: BuildRequest, release: Release, wanted: Target) -> BuildOrder | None:
        """Return an order for another target whose existing wheel also serves this one; None if there is none.

        The nearest builder comes first. An order is equal to a former build only while the recipe and the builder are.
        """
        if self._builds is None:
            return None
        builders = list(self._facts.catalogue.builders())
        builders.sort(key=lambda one: (one.python == wanted.python, one.policy.glibc), reverse=True)
        for builder in builders:
            try:
                order = self._order(
                    request, release, Target(python=builder.python, policy=builder.policy), builder.suite
                )
            except (RecipeError, ReleaseUnsupportedError, ToolchainTooOldError, NetworkRefusedError):
                continue
            equal = await self._builds.find_equal(order.key)
            if equal and equal.wheel and equal.wheel.url and serves(equal.wheel.filename, wanted):
                return order
        return None

    async def versions(self, project: str) -> tuple[Version, ...]:
        """Return the releases that have an sdist upstream, newest first; raise as ``decide`` does."""
        page = await self._source.project(parse_requirement(project).project)
        return tuple(sorted({file.version for file in page.files if file.kind == "sdist"}, reverse=True))

    def suite_for(self, target: Target) -> str:
        """Return the suite that a target's wheels are built on; raise UnknownTargetError."""
        return self._facts.catalogue.builder_for(target).suite

    def is_supported(self, project: NormalizedName, version: Version, target: Target) -> bool:
        """Return whether a release may be requested for a target; raise UnknownTargetError.

        A recipe that cannot be read forbids nothing here: a request for the build reports it.
        """
        suite = self._facts.catalogue.builder_for(target).suite
        try:
            effective = merge_rules(self._recipes.find(project), version=version, target=target, suite=suite)
        except RecipeError:
            return True
        return effective.unsupported is None

    def why_refused(self, project: NormalizedName, version: Version, target: Target) -> str | None:
        """Return the code of the error that a request would get from its recipe, the catalogue or ``check_reach``."""
        try:
            builder = self._facts.catalogue.builder_for(target)
            self._reach().check(builder)
            built = Target(python=builder.python, policy=builder.policy)
            recipe = merge_rules(self._recipes.find(project), version=version, target=built, suite=builder.suite)
            self._check_means(recipe, f"{project} {version}", builder.suite)
            choose_toolchains(self._facts.catalogue, recipe.toolchains, suite=builder.suite)
        except _REFUSALS as error:
            return error.code
        return None if recipe.unsupported is None else ReleaseUnsupportedError.code

    def is_outdated(self, order: BuildOrder) -> bool:
        """Return whether an equal request for a release would be another build today: by its recipe or its builder.

        False if it would be refused, and for commits and what callers sent: only their builds make their sdists.
        """
        if order.sdist.kind is not SourceKind.SDIST:
            return False
        try:
            version, suite = read_version(order.version), order.builder
            project = canonicalize_name(order.project)
            recipe = merge_rules(self._recipes.find(project), version=version, target=order.target, suite=suite)
            return recipe.unsupported is None and self.with_recipe(order, recipe).key != order.key
        except (RecipeError, ToolchainTooOldError, LookupError):
            return False

    def targets(self) -> tuple[Target, ...]:
        """Return the targets that can be requested."""
        return tuple(self._facts.catalogue.targets())

    def reachable_targets(self) -> tuple[Target, ...]:
        """Return the targets that can be built for now: all but those whose Python is known to be unreachable."""
        return reachable_targets(self._facts.catalogue, self._reach())

    def reach_of(self, target: Target) -> PythonReach | None:
        """Return what is known of a target's Python; None if nothing is. Raise UnknownTargetError."""
        return self._reach().of_builder(self._facts.catalogue.builder_for(target))

    def check_reach(self, target: Target) -> None:
        """Raise UnknownTargetError, or SourceUnreachableError if nothing can be built for a target now."""
        self._reach().check(self._facts.catalogue.builder_for(target))

    def default_python(self, platform: str) -> str:
        """Return the newest Python for a platform that is reachable and stable."""
        return self._reach().default_python(self._facts.catalogue, platform)

    def _choose_builder(self, request: BuildRequest | SentSource) -> tuple[Target, BuilderChoice]:
        try:
            target = Target.parse(python=request.python, platform=request.platform)
        except ValueError as error:
            known = [str(target) for target in self.targets()]
            raise UnknownTargetError(
                python=request.python, platform=request.platform, known=known, reason=str(error)
            ) from error
        builder = self._facts.catalogue.builder_for(target)
        self._reach().check(builder)
        return target, builder

    def _order(self, request: BuildRequest, release: Release, target: Target, suite: str) -> BuildOrder:
        recipe = self._recipes.find(release.project)
        effective = merge_rules(recipe, version=release.version, target=target, suite=suite)
        if effective.unsupported is not None:
            raise self._unsupported(recipe, release, target, suite, effective.unsupported)
        self._check_means(effective, f"{release.project} {release.version}", suite)
        return BuildOrder(
            key=self._key(effective, release.sdist.sha256, target, suite),
            requirement=request.requirement,
            project=release.project,
            version=str(release.version),
            sdist=_source_of(release),
            target=target,
            builder=suite,
            recipe_digest=effective.digest,
            recipe=effective,
        )

    def bring(self, wheel: BroughtWheel) -> BuildOrder:
        """Return the order that repairs and verifies a wheel.

        Its recipe gives system packages, rules for repair, tests and limits; what concerns compiling has no meaning.

        Raise NoTargetFitsError, NotFoundError for the suite, SourceUnreachableError, or a RecipeError.
        """
        name = read_wheel_name(wheel.filename)
        catalogue = self._facts.catalogue
        builder = choose_repairer(
            catalogue, wheel.filename, wheel.requires_python, suite=wheel.suite, reach=self._reach()
        )
        target, suite = Target(python=builder.python, policy=builder.policy), builder.suite
        merged = merge_rules(self._recipes.find(name.project), version=name.version, target=target, suite=suite)
        recipe = replace(repair_part(merged), test_apt_on=tuple(self._test_packages(name, builder, merged.test_apt)))
        packages_for(recipe, manager=catalogue.suite[suite].package_manager, suite=suite)
        source = SdistSource(
            filename=wheel.filename,
            url=wheel.url,
            sha256=wheel.sha256,
            size_bytes=wheel.size_bytes,
            kind=SourceKind.WHEEL,
            file=wheel.origin,
        )
        version = name.version if wheel.origin is None else version_of_wheel(name.version, wheel.origin)
        address = f" @ {wheel.origin.address}" if wheel.origin else f"=={name.version}"
        return BuildOrder(
            key=self._key(recipe, source_digest(source), target, suite, kind=SourceKind.WHEEL),
            requirement=f"{name.project}{address}",
            project=name.project,
            version=str(version),
            sdist=source,
            target=target,
            builder=suite,
            recipe_digest=recipe.digest,
            recipe=recipe,
        )

    def _test_packages(
        self, name: WheelName, repairer: BuilderChoice, known: tuple[str, ...]
    ) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield the packages of the proofs on other builders of the architecture, where rules name others there."""
        recipe = self._recipes.find(name.project)
        for one in self._facts.catalogue.builders():
            target = Target(python=one.python, policy=one.policy)
            if one.policy.architecture == repairer.policy.architecture:
                packages = merge_rules(recipe, version=name.version, target=target, suite=one.suite).test_apt
                if packages != known:
                    yield f"{one.suite} {one.python}", packages

    def with_recipe(self, order: BuildOrder, recipe: EffectiveRecipe) -> BuildOrder:
        """Return a former order as it would be today with this recipe.

        Raise ToolchainTooOldError, or LookupError if its builder is not in the catalogue any more.
        """
        digest = source_digest(order.sdist)
        key = self._key(recipe, digest, order.target, order.builder, kind=order.sdist.kind)
        return replace(order, key=key, recipe=recipe, recipe_digest=recipe.digest)

    def _key(
        self,
        recipe: EffectiveRecipe,
        sdist_sha256: str,
        target: Target,
        suite: str,
        *,
        kind: SourceKind = SourceKind.SDIST,
    ) -> str:
        facts = KeyFacts(
            sdist_sha256=sdist_sha256,
            source_kind=kind,
            recipe_digest=recipe.digest,
            builder_definition=self._definition(suite, target),
            toolchains=self._toolchains(recipe, suite, target),
            agent_digest=self._facts.agent_digest,
            target=target,
            build_number=self._facts.build_number,
        )
        return build_key(facts)

    def _unsupported(
        self, recipe: Recipe | None, release: Release, target: Target, suite: str, reason: str
    ) -> ReleaseUnsupportedError:
        """Return the error for a release that cannot be built there; it names the suites that the recipe allows."""
        machine = (target.python, target.policy.architecture)
        builders = self._facts.catalogue.builders()
        others = (one for one in builders if (one.python, one.policy.architecture) == machine)
        return ReleaseUnsupportedError(
            release=f"{release.project} {release.version}",
            target=str(target),
            suite=suite,
            reason=reason.rstrip("."),
            others=[other.suite for other in others if self._allows(recipe, release, other)],
        )

    def _allows(self, recipe: Recipe | None, release: Release, builder: BuilderChoice) -> bool:
        """Return whether a request for another builder would be accepted."""
        target = Target(python=builder.python, policy=builder.policy)
        effective = merge_rules(recipe, version=release.version, target=target, suite=builder.suite)
        try:
            self._check_means(effective, f"{release.project} {release.version}", builder.suite)
            choose_toolchains(self._facts.catalogue, effective.toolchains, suite=builder.suite)
        except (RecipeError, ToolchainTooOldError, NetworkRefusedError):
            return False
        return effective.unsupported is None

    def _check_means(self, recipe: EffectiveRecipe, release: str, suite: str) -> None:
        """Refuse at once a recipe that asks for what no worker can give."""
        packages_for(recipe, manager=self._facts.catalogue.suite[suite].package_manager, suite=suite)
        if recipe.network and not self._facts.network_for_recipes:
            raise NetworkRefusedError(release=release)

    def _definition(self, suite: str, target: Target) -> str:
        return self._facts.definitions[target.policy.architecture, suite, target.python]

    def _toolchains(self, recipe: EffectiveRecipe, suite: str, target: Target) -> tuple[str, ...]:
        """Return the digests of the toolchains that the recipe asks for, after checking that they are new enough."""
        book, builder = self._facts.catalogue, self._definition(suite, target)
        names = choose_toolchains(book, recipe.toolchains, suite=suite)
        return tuple(toolchain_definition(book, name, suite=suite, builder=builder) for name in names)


class RequestBuild(PlanBuild):
    """The use case behind ``POST /v1/builds``: decides what to build, and submits it."""

    def __init__(  # noqa: PLR0913  (each is one thing that decides)
        self,
        *,
        source: SourceIndex,
        store: BuildStore,
        recipes: RecipeRegistry,
        facts: BuilderFacts,
        repositories: GitRepositories | None = None,
        reach: Callable[[], Reach] = Reach,
    ) -> None:
        super().__init__(
            source=source, recipes=recipes, facts=facts, builds=store, repositories=repositories, reach=reach
        )
        self._store = store

    async def __call__(self, request: BuildRequest) -> Submission:
        """Decide and submit; raise as ``decide`` does."""
        order = await self.decide(request)
        submission = await self._store.submit(
            order,
            requested_by=request.requested_by,
            priority=request.priority,
            prebuild_id=request.prebuild_id,
            trace=request.trace,
        )
        note_submitted(submission, requested_by=request.requested_by)
        return submission

    async def cancel(self, build_id: str, *, by: Token) -> Build:
        """Cancel a build for all its subscribers if the token's scope allows that, else for this caller alone.

        Raises NotFoundError, and NotYoursError for a caller that has not requested it.
        """
        former = await self._store.get(build_id)
        if by.scope.allows(Scope.OPERATE):
            build = await self._store.request_cancel(build_id, requested_by=by.actor)
            note_cancelled(former, build, requested_by=by.actor)
        else:
            build = await self._store.leave(build_id, requested_by=by.actor)
            note_left(former, build, requested_by=by.actor)
        return build

    async def may_cancel(self, build: Build, *, by: Token) -> bool:
        """Return whether ``cancel`` would do anything."""
        if build.status.is_final or not by.scope.allows(Scope.REQUEST):
            return False
        return by.scope.allows(Scope.OPERATE) or await self._store.is_wanted_by(build.id, by.actor)


def _source_of(release: Release) -> SdistSource:
    file = release.sdist
    return SdistSource(filename=file.filename, url=file.url, sha256=file.sha256, size_bytes=file.size_bytes)
