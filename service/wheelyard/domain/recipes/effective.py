"""The effective recipe of one build, which is all that workers get of a recipe."""

import base64
import dataclasses
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Self

from packaging.utils import canonicalize_name

from wheelyard.domain.untrusted.requirements import find_requirement, read_requirement


@dataclass(frozen=True, kw_only=True, slots=True)
class RecipeFile:
    """A patch, script or test file of a recipe, with its content: workers have no recipe folders."""

    name: str
    """Its path below the folder of its kind, such as ``0001-older-freetds.patch``."""
    base64: str
    """Its bytes in base64, for the database and HTTP."""

    @classmethod
    def of(cls, name: str, data: bytes) -> Self:
        """Return a file with these bytes."""
        return cls(name=name, base64=base64.b64encode(data).decode())

    @property
    def data(self) -> bytes:
        """Return its bytes."""
        return base64.b64decode(self.base64)


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceFile:
    """A file to fetch for the build."""

    url: str
    sha256: str
    to: str
    """Its path in the unpacked sdist; if it ends with ``/``, the folder to unpack it into."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EffectiveRecipe:
    """A recipe for one release on one builder: all matching rules merged, in order."""

    apt: tuple[str, ...] = ()
    dnf: tuple[str, ...] = ()
    apk: tuple[str, ...] = ()
    toolchains: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    config_settings: tuple[tuple[str, str | tuple[str, ...]], ...] = ()
    build_requires: tuple[str, ...] = ()
    """Requirements in addition to those of the project."""
    dropped_requires: tuple[str, ...] = ()
    """Normalised names of projects that are not installed although the project requires them."""
    build_constraints: tuple[str, ...] = ()
    sources: tuple[SourceFile, ...] = ()
    patches: tuple[RecipeFile, ...] = ()
    cythonize: tuple[str, ...] = ()
    """Patterns of Cython modules whose C sources are made anew before the build."""
    before_build: tuple[RecipeFile, ...] = ()
    after_build: tuple[RecipeFile, ...] = ()
    excluded_libraries: tuple[str, ...] = ()
    """Patterns of sonames that are not grafted."""
    denied_libraries: tuple[str, ...] = ()
    """Patterns of sonames that must not be grafted."""
    denied_licenses: tuple[str, ...] = ()
    """Patterns of licenses, as SPDX names, that nothing in the wheel may have."""
    grafted_beyond_policy: tuple[str, ...] = ()
    """Patterns of sonames that are grafted although the policy promises them on every host."""
    max_grafted: int | None = None
    policy_floor: str | None = None
    """The policy that the wheel must comply with, without the architecture; a newer glibc is a failure."""
    memory_bytes: int | None = None
    cpus: float | None = None
    time_seconds: int | None = None
    scratch_bytes: int | None = None
    log_bytes: int | None = None
    expected_extensions: tuple[str, ...] = ()
    absent_extensions: tuple[str, ...] = ()
    """Extension modules that may be missing although the sdist has their sources."""
    is_pure: bool | None = None
    """True if a wheel without extension modules is correct, whatever the sdist has; None if not given."""
    expected_gil: str | None = None
    """``off`` if an extension module that switches the GIL of a free-threaded Python on is a failure."""
    test_apt: tuple[str, ...] = ()
    """Debian packages to install into the bare runtime image before verification."""
    test_apt_on: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Those of other places that a brought wheel is proven on, where the recipe's rules name others: pairs of a place,
    such as ``trixie 3.13``, and packages. No key of recipes: it is merged from ``test.apt``."""
    test_imports: tuple[str, ...] = ()
    test_commands: tuple[str, ...] = ()
    test_requires: tuple[str, ...] = ()
    test_files: tuple[RecipeFile, ...] = ()
    network: bool = False
    """True if the build asks for a network; the operator decides."""
    unsupported: str | None = None
    """Why it cannot be built; None if it can."""

    @property
    def digest(self) -> str:
        """Return the digest of the recipe's meaning, however it is written: a sha256 in hexadecimal.

        Keys with default values are left out, so that a new key of the format does not change digests.
        """
        asked = {one.name: getattr(self, one.name) for one in dataclasses.fields(self)}
        facts = {name: _meaning(name, value) for name, value in asked.items() if value != getattr(_NOTHING, name)}
        return hashlib.sha256(json.dumps(facts, sort_keys=True, default=dataclasses.asdict).encode()).hexdigest()


_NOTHING = EffectiveRecipe()
_REQUIREMENTS: Final = frozenset({"build_requires", "build_constraints", "test_requires"})
_SETS: Final = _REQUIREMENTS | {
    *("apt", "dnf", "apk", "toolchains", "dropped_requires", "cythonize", "excluded_libraries", "denied_libraries"),
    *(
        "denied_licenses",
        "grafted_beyond_policy",
        "expected_extensions",
        "absent_extensions",
        "test_apt",
        "test_imports",
    ),
}
"""Lists whose order has no meaning."""
_SCRIPTS: Final = frozenset({"patches", "before_build", "after_build"})
"""Files that are used in order; their names have no meaning."""
_COMPILING: Final = (
    *("toolchains", "env", "config_settings", "build_requires", "dropped_requires", "build_constraints", "sources"),
    *("patches", "cythonize", "before_build", "after_build", "network", "unsupported"),
)
"""Keys that only concern how a wheel is built from an sdist."""


def _meaning(name: str, value: Any) -> Any:  # noqa: ANN401  its type depends on the key
    """Return a key's value in a form that only changes if the build changes."""
    if name in _REQUIREMENTS:
        value = tuple(map(_normalise_requirement, value))
    if name in _SETS:
        return sorted(set(value))
    if name in _SCRIPTS:
        return [file.base64 for file in value]
    if name == "sources":
        return [[source.sha256, source.to] for source in value]
    return value


def _normalise_requirement(text: str) -> str:
    requirement = read_requirement(text)
    requirement.name = canonicalize_name(requirement.name)
    return str(requirement)


def repair_part(recipe: EffectiveRecipe) -> EffectiveRecipe:
    """Return the part of a recipe that concerns a wheel that is built already."""
    compiling = {name: getattr(_NOTHING, name) for name in _COMPILING}
    return dataclasses.replace(recipe, **compiling)


def amend_requirements(wanted: Iterable[str], recipe: EffectiveRecipe) -> tuple[str, ...]:
    """Return build requirements with those of the recipe added and dropped.

    A dropped project may still be installed because another requirement needs it, and may be added in another version.
    """
    kept = (text for text in wanted if not recipe.dropped_requires or _name_of(text) not in recipe.dropped_requires)
    return tuple(dict.fromkeys((*kept, *recipe.build_requires)))


def _name_of(text: str) -> str | None:
    """Return a requirement's normalised name; None if it is invalid, which the resolver reports."""
    requirement = find_requirement(text)
    return None if requirement is None else canonicalize_name(requirement.name)
