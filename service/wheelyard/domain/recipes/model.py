"""A recipe as it is written: the keys that there are, what each takes, and the JSON schema that editors use.

Recipes are text that people write, so they enter through pydantic. What the keys come to for one release is
``recipe_merge``'s business. Must not read files.
"""

from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from wheelyard.domain.recipes.problems import key_paths
from wheelyard.domain.recipes.types import (
    AlpineName,
    ArchitectureName,
    ConstraintText,
    Count,
    DroppedName,
    FilledText,
    Flag,
    HookFile,
    InsidePath,
    ModuleName,
    PackageName,
    PatchFile,
    PolicyName,
    PolicyRange,
    Processors,
    ProjectName,
    PythonRange,
    RequirementText,
    RpmName,
    Seconds,
    SettingValue,
    Sha256Text,
    SizeBytes,
    SonamePattern,
    SourceUrl,
    SuiteText,
    TestFile,
    ToolchainText,
    VariableName,
    VersionRange,
)

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


class Section(BaseModel):
    """A table of a recipe."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=lambda name: name.replace("_", "-"),
        use_attribute_docstrings=True,
    )

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_nul(cls, value: object) -> object:
        # No database, environment or command line can hold it.
        if _has_nul(value):
            raise ValueError("it has a NUL character")
        return value


def _has_nul(value: object) -> bool:
    match value:
        case str():
            return "\0" in value
        case dict():
            return any(_has_nul(item) for pair in value.items() for item in pair)
        case list():
            return any(_has_nul(item) for item in value)
        case _:
            return False


class When(Section):
    """When a rule applies: all conditions must hold, and what is not given does not restrict."""

    version: VersionRange | None = None
    """Releases of the project (PEP 440 specifier), their pre-releases too."""
    python: PythonRange | None = None
    """Python versions of the target, such as ``<3.13``."""
    suite: tuple[SuiteText, ...] = ()
    """Names of builder suites, such as ``bookworm``."""
    policy: PolicyRange | None = None
    """Policies of the target that was asked for, such as ``>=manylinux_2_28,<manylinux_2_36``."""
    architecture: tuple[ArchitectureName, ...] = ()
    """Architectures of the target, such as ``aarch64``."""


class BuildRequires(Section):
    """Changes to what the project says that it needs to be built."""

    add: tuple[RequirementText, ...] = ()
    """Requirements that are installed besides those of the project."""
    drop: tuple[DroppedName, ...] = ()
    """Projects that are not installed although the project asks for them."""


class Source(Section):
    """A file that the build needs and that its sdist lacks, fetched beforehand and checked."""

    url: SourceUrl
    """Where it is."""
    sha256: Sha256Text
    """What it must hash to."""
    to: InsidePath
    """Where it goes in the unpacked sdist; with ``/`` at the end, a folder that the archive is unpacked into."""


class Hooks(Section):
    """Scripts that run in the build's sandbox, in the unpacked sdist; files of the recipe's folder ``hooks/``."""

    before_build: tuple[HookFile, ...] = ()
    """After the patches, once the project's static build requirements are installed, before its backend runs."""
    after_build: tuple[HookFile, ...] = ()
    """After the backend has made the wheel, whose path is in ``WHEELYARD_WHEEL``; it may be changed in its place."""


class Repair(Section):
    """How libraries are grafted."""

    exclude: tuple[SonamePattern, ...] = ()
    """Libraries that are not grafted, because whoever installs the wheel has them."""
    max_grafted: Count | None = None
    """More grafted libraries than this are a failure."""
    deny: tuple[SonamePattern, ...] = ()
    """Libraries that must not be grafted: one of them is a failure."""
    floor: PolicyName | None = None
    """The policy that the wheel must reach: one that needs a newer glibc is a failure."""


class Limits(Section):
    """What the build may use; the operator's limits stand where nothing is given."""

    memory: SizeBytes | None = None
    """Memory of a container, such as ``4GiB``."""
    cpu: Processors | None = None
    """Processors of a container, such as ``1.5``."""
    time: Seconds | None = None
    """Time of one stage, such as ``2h``."""
    disk: SizeBytes | None = None
    """Writable space of a container, such as ``8GiB``."""
    log: SizeBytes | None = None
    """Where the log is cut, such as ``64MiB``."""


class Expect(Section):
    """What the wheel must be; anything less is a failure."""

    extensions: tuple[ModuleName, ...] = ()
    """Extension modules that must be in the wheel."""
    absent: tuple[ModuleName, ...] = ()
    """Extension modules that may be missing from the wheel, though the sdist has their sources."""
    pure: Flag | None = None
    """True says that a wheel without extension modules is right, though the sdist has sources of some."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.pure and self.extensions:
            raise ValueError("pure = true says that there are no extensions, and extensions names some")
        if both := sorted({*self.extensions} & {*self.absent}):
            raise ValueError(f"extensions and absent both name {', '.join(both)}")
        return self


class Test(Section):
    """How the wheel is proven in the bare runtime image, beyond importing every module."""

    apt: tuple[PackageName, ...] = ()
    """Debian packages of the host that the wheel needs: libraries that its policy promises and that are not grafted."""
    imports: tuple[ModuleName, ...] = ()
    """Import these instead of every module that the wheel has."""
    commands: tuple[FilledText, ...] = ()
    """Shell commands that must end well."""
    requires: tuple[RequirementText, ...] = ()
    """What the commands need besides what the wheel itself requires."""
    files: tuple[TestFile, ...] = ()
    """Files of the recipe's folder ``tests/`` that the commands find in their directory."""


class Rule(Section):
    """Keys that apply together, when ``when`` matches."""

    when: When = When()
    """When the rule applies."""
    apt: tuple[PackageName, ...] = ()
    """Debian packages that the builder needs."""
    dnf: tuple[RpmName, ...] = ()
    """The same for builders whose package manager is dnf."""
    apk: tuple[AlpineName, ...] = ()
    """The same for builders whose package manager is apk."""
    toolchains: tuple[ToolchainText, ...] = ()
    """Compilers beyond C and C++: ``rust``, ``fortran``, ``java``, ``bazel``; a floor may follow: ``rust>=1.85``."""
    env: dict[VariableName, str] = Field(default_factory=dict)
    """Environment variables of the build."""
    config_settings: dict[FilledText, SettingValue] = Field(default_factory=dict)
    """Settings for the build backend (PEP 517): a text, or a list for one that is given several times."""
    build_requires: BuildRequires = BuildRequires()
    """Build requirements to add, and ones to leave out."""
    build_constraints: tuple[ConstraintText, ...] = ()
    """Constraints on what is installed into the isolated build environment."""
    sources: tuple[Source, ...] = ()
    """Files that the build needs and that its sdist lacks."""
    patches: tuple[PatchFile, ...] = ()
    """Patches for the unpacked sdist, in order; files of the recipe's folder ``patches/``."""
    hooks: Hooks = Hooks()
    """Scripts that run in the build's sandbox."""
    repair: Repair = Repair()
    """How libraries are grafted, and how the wheel is tagged."""
    limits: Limits = Limits()
    """What the build may use."""
    expect: Expect = Expect()
    """What the wheel must be."""
    test: Test = Test()
    """How the wheel is proven."""
    network: Flag | None = None
    """True asks for a network in the build; the operator decides whether there is one."""
    unsupported: FilledText | None = None
    """Why this cannot be built where the rule applies; a request gets the reason at once."""


class RecipeText(Section):
    """A project's recipe as it is written."""

    schema_version: Literal[1] = Field(alias="schema")
    """Version of this format."""
    name: ProjectName
    """The project's normalised name; the file or folder is named after it."""
    rule: tuple[Rule, ...] = ()
    """Rules; every one that applies is merged, in order."""


KEY_PATHS: Final = tuple(key_paths(RecipeText))
"""The path of every key that a recipe may have."""


def recipe_schema() -> dict[str, Any]:
    """Describe the format as a JSON schema."""
    return {"$schema": _DIALECT, **RecipeText.model_json_schema(), "title": "Wheelyard recipe"}
