"""Recipes: what a project needs beyond its sdist, and how a recipe's rules become one answer for one target.

Recipes are text that people write, so they enter through pydantic and every problem is reported at once. Must not
read files.
"""

import difflib
import hashlib
import json
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from wheelyard.domain.target import Target
from wheelyard.domain.toolchain import ToolchainNeed, merge_needs
from wheelyard.errors import RecipeInvalidError

_DEBIAN_PACKAGE: Final = re.compile(r"[a-z0-9][a-z0-9+.-]+(:[a-z0-9]+)?")
_MODULE: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _check_specifier(text: str) -> str:
    try:
        SpecifierSet(text)
    except InvalidSpecifier as error:
        raise ValueError(f"{text!r} is not a version specifier") from error
    return text


def _check_toolchain(text: str) -> str:
    return str(ToolchainNeed.parse(text))


def _matching(pattern: re.Pattern[str], what: str) -> AfterValidator:
    def check(text: str) -> str:
        if pattern.fullmatch(text) is None:
            raise ValueError(f"{text!r} is not {what}")
        return text

    return AfterValidator(check)


def _check_normalised(text: str) -> str:
    if text != canonicalize_name(text):
        raise ValueError(f"{text!r} is not normalised, write {canonicalize_name(text)!r}")
    return text


SpecifierText = Annotated[str, AfterValidator(_check_specifier)]
PackageName = Annotated[str, _matching(_DEBIAN_PACKAGE, "a Debian package name")]
ToolchainText = Annotated[str, AfterValidator(_check_toolchain)]
ModuleName = Annotated[str, _matching(_MODULE, "an importable module name")]
ProjectName = Annotated[str, AfterValidator(_check_normalised)]
VariableName = Annotated[str, _matching(_VARIABLE, "an environment variable name")]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=lambda name: name.replace("_", "-"))


class When(_Section):
    """When a rule applies; what is not given does not restrict."""

    version: SpecifierText | None = None
    """Releases of the project (PEP 440 specifier)."""
    python: SpecifierText | None = None
    """Python versions of the target, such as ``<3.13``."""
    suite: tuple[str, ...] = ()
    """Names of builder suites, such as ``bookworm``."""


class Expect(_Section):
    """What the wheel must be; anything less is a failure."""

    extensions: tuple[ModuleName, ...] = ()
    """Extension modules that must be in the wheel."""


class Test(_Section):
    """How the wheel is proven in the bare runtime image, beyond importing every module."""

    imports: tuple[ModuleName, ...] = ()
    """Import these instead of every module that the wheel has."""


class Rule(_Section):
    """Keys that apply together, when ``when`` matches."""

    when: When = When()
    apt: tuple[PackageName, ...] = ()
    """Debian packages that the builder needs."""
    toolchains: tuple[ToolchainText, ...] = ()
    """Compilers beyond C and C++: ``rust``, ``fortran``, ``java``, ``bazel``; a floor may follow: ``rust>=1.85``."""
    env: dict[VariableName, str] = Field(default_factory=dict)
    """Environment variables of the build."""
    build_constraints: tuple[str, ...] = ()
    """Constraints on what is installed into the isolated build environment."""
    config_settings: dict[str, str] = Field(default_factory=dict)
    """Settings for the build backend (PEP 517)."""
    expect: Expect = Expect()
    test: Test = Test()


class Recipe(_Section):
    """A project's recipe as it is written."""

    schema_version: Literal[1] = Field(alias="schema")
    name: ProjectName
    rule: tuple[Rule, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class EffectiveRecipe:
    """What remains of a recipe for one release on one builder: all matching rules merged, in order."""

    apt: tuple[str, ...] = ()
    toolchains: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    build_constraints: tuple[str, ...] = ()
    config_settings: tuple[tuple[str, str], ...] = ()
    expected_extensions: tuple[str, ...] = ()
    test_imports: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Identify what the recipe means, whatever its formatting: a sha256 in hexadecimal."""
        facts = {name: getattr(self, name) for name in self.__slots__}
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def parse_recipe(text: str, *, source: str) -> Recipe:
    """Read a recipe from TOML; raises RecipeInvalidError with every problem that it has."""
    try:
        return Recipe.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise RecipeInvalidError(source=source, problems=[f"it is not TOML: {error}"]) from error
    except ValidationError as error:
        raise RecipeInvalidError(source=source, problems=describe_problems(error, known_keys())) from error


def known_keys() -> frozenset[str]:
    """List every key that a recipe may have, at any depth."""
    models: tuple[type[BaseModel], ...] = (Recipe, Rule, When, Expect, Test)
    return frozenset(field.alias or name for model in models for name, field in model.model_fields.items())


def describe_problems(error: ValidationError, known: Iterable[str]) -> list[str]:
    """Put a validation error into words, one line a problem, naming the nearest known key for unknown ones."""
    return [_describe_problem(dict(problem), sorted(known)) for problem in error.errors()]


def _describe_problem(problem: dict[str, Any], known: list[str]) -> str:
    place = ".".join(str(part) for part in problem["loc"])
    if problem["type"] != "extra_forbidden":
        return f"{place}: {problem['msg'].removeprefix('Value error, ')}"
    nearest = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1)
    return f"{place}: unknown key" + (f", did you mean {nearest[0]!r}?" if nearest else "")


def applies(when: When, *, version: Version, target: Target, suite: str) -> bool:
    """Tell whether a rule's condition holds for a release on a builder's suite."""
    if when.version is not None and not SpecifierSet(when.version).contains(version, prereleases=True):
        return False
    if when.python is not None and not SpecifierSet(when.python).contains(target.python):
        return False
    return not when.suite or suite in when.suite


def merge_rules(recipe: Recipe | None, *, version: Version, target: Target, suite: str) -> EffectiveRecipe:
    """Merge the rules that apply: lists are joined without repeats, tables updated and sorted."""
    rules = recipe.rule if recipe else ()
    matching = [rule for rule in rules if applies(rule.when, version=version, target=target, suite=suite)]
    env: dict[str, str] = {}
    settings: dict[str, str] = {}
    for rule in matching:
        env.update(rule.env)
        settings.update(rule.config_settings)
    return EffectiveRecipe(
        apt=_joined(rule.apt for rule in matching),
        toolchains=_highest(rule.toolchains for rule in matching),
        env=tuple(sorted(env.items())),
        build_constraints=_joined(rule.build_constraints for rule in matching),
        config_settings=tuple(sorted(settings.items())),
        expected_extensions=_joined(rule.expect.extensions for rule in matching),
        test_imports=_joined(rule.test.imports for rule in matching),
    )


def _highest(lists: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """Join needs of toolchains, the highest floor of each."""
    needs = merge_needs(ToolchainNeed.parse(text) for texts in lists for text in texts)
    return tuple(str(need) for need in needs)


def _joined(lists: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item for items in lists for item in items))
