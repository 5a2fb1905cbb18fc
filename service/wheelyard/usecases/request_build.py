"""Turn a requirement into a build: decide which release, which builder, which recipe; then submit it.

Must not wait for the build, nor know who asks over what.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from wheelyard.domain.build import BuildOrder, SdistSource
from wheelyard.domain.catalogue import Catalogue
from wheelyard.domain.definition import toolchain_definition
from wheelyard.domain.ledger import Submission
from wheelyard.domain.plan import KeyFacts, build_key
from wheelyard.domain.recipe import EffectiveRecipe, merge_rules
from wheelyard.domain.release import Release, choose_release, parse_requirement
from wheelyard.domain.target import Target
from wheelyard.domain.toolchain_choice import choose_toolchains
from wheelyard.errors import UnknownTargetError
from wheelyard.interfaces import BuildStore, RecipeBook, SourceIndex


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildRequest:
    """What somebody asks for."""

    requirement: str
    python: str
    platform: str
    requested_by: str


@dataclass(frozen=True, kw_only=True, slots=True)
class BuilderFacts:
    """What is the same for every request until the next start."""

    catalogue: Catalogue
    definitions: Mapping[tuple[str, str], str]
    """Digest of each builder's definition, by suite and Python."""
    agent_digest: str
    build_number: int


class RequestBuild:
    """The use case behind ``POST /v1/builds``."""

    def __init__(self, *, source: SourceIndex, store: BuildStore, recipes: RecipeBook, facts: BuilderFacts) -> None:
        self._source = source
        self._store = store
        self._recipes = recipes
        self._facts = facts

    async def __call__(self, request: BuildRequest) -> Submission:
        """Decide and submit.

        Raises a CallerError, a RecipeError, ToolchainTooOldError or IndexUnavailableError if that cannot be done.
        """
        requirement = parse_requirement(request.requirement)
        target, suite = self._choose_builder(request)
        page = await self._source.project(requirement.project)
        release = choose_release(requirement, page, python=target.python)
        order = self._order(request, release, target, suite)
        return await self._store.submit(order, requested_by=request.requested_by)

    def targets(self) -> tuple[Target, ...]:
        """List what can be asked for."""
        builders = self._facts.catalogue.builders()
        return tuple(Target(python=builder.python, policy=builder.policy) for builder in builders)

    def _choose_builder(self, request: BuildRequest) -> tuple[Target, str]:
        try:
            target = Target.parse(python=request.python, platform=request.platform)
        except ValueError as error:
            known = [str(target) for target in self.targets()]
            raise UnknownTargetError(python=request.python, platform=request.platform, known=known) from error
        return target, self._facts.catalogue.builder_for(target).suite

    def _order(self, request: BuildRequest, release: Release, target: Target, suite: str) -> BuildOrder:
        recipe = self._recipes.find(release.project)
        effective = merge_rules(recipe, version=release.version, target=target, suite=suite)
        facts = KeyFacts(
            sdist_sha256=release.sdist.sha256,
            recipe_digest=effective.digest,
            builder_definition=self._facts.definitions[suite, target.python],
            toolchains=self._toolchains(effective, suite, target.python),
            agent_digest=self._facts.agent_digest,
            target=target,
            build_number=self._facts.build_number,
        )
        return BuildOrder(
            key=build_key(facts),
            requirement=request.requirement,
            project=release.project,
            version=str(release.version),
            sdist=_source_of(release),
            target=target,
            builder=suite,
            recipe_digest=effective.digest,
            recipe=effective,
        )

    def _toolchains(self, recipe: EffectiveRecipe, suite: str, python: str) -> tuple[str, ...]:
        """Digest the toolchains that the recipe asks for, seen to be new enough."""
        book, builder = self._facts.catalogue, self._facts.definitions[suite, python]
        names = choose_toolchains(book, recipe.toolchains, suite=suite)
        return tuple(toolchain_definition(book, name, suite=suite, builder=builder) for name in names)


def _source_of(release: Release) -> SdistSource:
    file = release.sdist
    return SdistSource(filename=file.filename, url=file.url, sha256=file.sha256, size_bytes=file.size_bytes)
