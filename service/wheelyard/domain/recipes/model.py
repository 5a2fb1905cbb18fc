"""The format of recipes: their keys, the values of each, and the JSON schema for editors.

People write recipes, so pydantic validates them. ``domain/recipes/merge.py`` merges the rules for one release.
"""

from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from wheelyard.domain.healing.host_libraries import overlap, refused_grafts
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
    LicensePattern,
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
        # NUL: no database, environment or command line can hold it.
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
    """When a rule applies: all given conditions must hold."""

    version: VersionRange | None = None
    """Releases of the project (PEP 440 specifier), including pre-releases."""
    python: PythonRange | None = None
    """Python versions of the target, such as ``<3.13``."""
    suite: tuple[SuiteText, ...] = ()
    """Names of builder suites, such as ``bookworm``."""
    policy: PolicyRange | None = None
    """Policies of the requested target, such as ``>=manylinux_2_28,<manylinux_2_36``."""
    architecture: tuple[ArchitectureName, ...] = ()
    """Architectures of the target, such as ``aarch64``."""


class BuildRequires(Section):
    """Changes to the project's build requirements."""

    add: tuple[RequirementText, ...] = ()
    """Requirements to install in addition to those of the project."""
    drop: tuple[DroppedName, ...] = ()
    """Projects that are not installed although the project requires them."""


class Source(Section):
    """A file that the build needs and its sdist lacks. It is fetched before the build, and its hash is checked."""

    url: SourceUrl
    """Its URL."""
    sha256: Sha256Text
    """Its sha256."""
    to: InsidePath
    """Its path in the unpacked sdist; if it ends with ``/``, the folder to unpack the archive into."""


class Hooks(Section):
    """Scripts that run in the build's sandbox, in the unpacked sdist; files of the recipe's folder ``hooks/``."""

    before_build: tuple[HookFile, ...] = ()
    """Run after the patches and the installation of static build requirements, before the backend."""
    after_build: tuple[HookFile, ...] = ()
    """Run after the backend. ``WHEELYARD_WHEEL`` is the path of the wheel, which may be changed in place."""


class Repair(Section):
    """How libraries are grafted."""

    exclude: tuple[SonamePattern, ...] = ()
    """Libraries that are not grafted, because the hosts of the wheel's users have them."""
    max_grafted: Count | None = None
    """More grafted libraries than this are a failure."""
    deny: tuple[SonamePattern, ...] = ()
    """Libraries that must not be grafted: one of them is a failure."""
    deny_licenses: tuple[LicensePattern, ...] = ()
    """Licenses, as SPDX names, that nothing in the wheel may have: one of them is a failure."""
    floor: PolicyName | None = None
    """The policy that the wheel must comply with: a newer glibc is a failure."""
    graft: tuple[SonamePattern, ...] = ()
    """Libraries that are grafted although the policy promises them on every host."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        for key, others in {"exclude": self.exclude, "deny": self.deny}.items():
            if both := sorted(one for one in self.graft if any(overlap(one, other) for other in others)):
                raise ValueError(f"graft and {key} both name {', '.join(both)}")
        if refused := refused_grafts(self.graft):
            raise ValueError(f"graft: {'; '.join(refused)}")
        return self


class Limits(Section):
    """Limits of the build; the operator's defaults apply to the others."""

    memory: SizeBytes | None = None
    """Memory of a container, such as ``4GiB``."""
    cpu: Processors | None = None
    """Processors of a container, such as ``1.5``."""
    time: Seconds | None = None
    """Time of one stage, such as ``2h``."""
    disk: SizeBytes | None = None
    """Writable space of a container, such as ``8GiB``."""
    log: SizeBytes | None = None
    """Size at which the log is cut, such as ``64MiB``."""


class Expect(Section):
    """Requirements on the wheel; a wheel that does not meet them is a failure."""

    extensions: tuple[ModuleName, ...] = ()
    """Extension modules that must be in the wheel."""
    absent: tuple[ModuleName, ...] = ()
    """Extension modules that may be missing from the wheel although the sdist has their sources."""
    pure: Flag | None = None
    """True if a wheel without extension modules is correct although the sdist has sources of some."""
    gil: Literal["off"] | None = None
    """``off`` if no extension module may switch the GIL of a free-threaded Python on."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.pure and self.extensions:
            raise ValueError("pure = true means no extensions, but extensions names some")
        if both := sorted({*self.extensions} & {*self.absent}):
            raise ValueError(f"extensions and absent both name {', '.join(both)}")
        return self


class Test(Section):
    """Tests of the wheel in the bare runtime image, in addition to importing every module."""

    apt: tuple[PackageName, ...] = ()
    """Debian packages that the wheel needs on its host: libraries that its policy promises and that are not grafted."""
    imports: tuple[ModuleName, ...] = ()
    """Modules to import instead of every module of the wheel."""
    commands: tuple[FilledText, ...] = ()
    """Shell commands that must succeed."""
    requires: tuple[RequirementText, ...] = ()
    """Requirements of the commands, in addition to those of the wheel."""
    files: tuple[TestFile, ...] = ()
    """Files of the recipe's folder ``tests/`` that are copied into the directory of the commands."""


class Rule(Section):
    """Keys that apply together if ``when`` matches."""

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
    """Settings for the build backend (PEP 517): a text, or a list to give one several times."""
    build_requires: BuildRequires = BuildRequires()
    """Build requirements to add or to drop."""
    build_constraints: tuple[ConstraintText, ...] = ()
    """Constraints on the isolated build environment."""
    sources: tuple[Source, ...] = ()
    """Files that the build needs and its sdist lacks."""
    patches: tuple[PatchFile, ...] = ()
    """Patches for the unpacked sdist, in order; files of the recipe's folder ``patches/``."""
    cythonize: tuple[FilledText, ...] = ()
    """Cython modules of the sdist whose C sources are made anew before the build: paths with wildcards."""
    hooks: Hooks = Hooks()
    """Scripts that run in the build's sandbox."""
    repair: Repair = Repair()
    """How libraries are grafted, and the wheel's minimum policy."""
    limits: Limits = Limits()
    """Limits of the build."""
    expect: Expect = Expect()
    """Requirements on the wheel."""
    test: Test = Test()
    """Tests of the wheel."""
    network: Flag | None = None
    """True asks for a network in the build; the operator decides whether to allow it."""
    unsupported: FilledText | None = None
    """Why it cannot be built where the rule applies; a request fails immediately with this reason."""


class RecipeText(Section):
    """A project's recipe as it is written."""

    schema_version: Literal[1] = Field(alias="schema")
    """Version of this format."""
    name: ProjectName
    """The project's normalised name; the file or folder is named after it."""
    rule: tuple[Rule, ...] = ()
    """Rules; all that apply are merged, in order."""


KEY_PATHS: Final = tuple(key_paths(RecipeText))
"""The paths of all keys of a recipe."""


def recipe_schema() -> dict[str, Any]:
    """Return the JSON schema of the format."""
    return {"$schema": _DIALECT, **RecipeText.model_json_schema(), "title": "Wheelyard recipe"}
