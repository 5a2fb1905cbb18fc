"""What determines an image, as one digest: images are found again by it and are made anew when it changes.

Pure functions over the catalogue and the texts beside it. Must not read files, and knows no engine.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from wheelyard.domain.catalogue import Catalogue, Suite
from wheelyard.domain.toolchain import ToolchainName
from wheelyard.errors import NotFoundError, SuiteUnsupportedError

_AFTER_PYTHON: Final = "\nFROM ${PYTHONS} AS pythons\n"
_DEBIAN_PACKAGE: Final = re.compile(r"[a-z0-9][a-z0-9+.-]*[a-z0-9+.]")


@dataclass(frozen=True, kw_only=True, slots=True)
class DefinitionFacts:
    """What is outside the catalogue and still goes into an image."""

    dockerfile: str
    """Text of builders/Dockerfile."""
    tools_lock: str
    """Text of builders/tools.lock."""
    architecture: str
    """Machine that the images are for, such as ``x86_64``."""
    environment: tuple[tuple[str, str], ...] = ()
    """What the operator adds, such as a package mirror or the digest of a CA bundle."""


def base_definition(catalogue: Catalogue, facts: DefinitionFacts, *, suite: str) -> str:
    """Digest what determines a suite's base image: a sha256 in hexadecimal."""
    archive = own_suite(catalogue, suite).model_dump(
        include={"components", "mirror", "security_mirror"}, exclude_defaults=True
    )
    return _digest(
        "base",
        suite,
        facts.architecture,
        facts.environment,
        catalogue.source_date_epoch,
        *([archive] if archive else []),
    )


def python_definition(catalogue: Catalogue, facts: DefinitionFacts, *, suite: str, python: str) -> str:
    """Digest what determines a compiled Python.

    Where its source comes from does not, its hash does; nor does what the Dockerfile says of later stages.
    """
    base = base_definition(catalogue, facts, suite=suite)
    entry = catalogue.python[python]
    sources = [source.sha256 for source in entry.source]
    packages = own_suite(catalogue, suite).packages.model_dump()
    return _digest("python", base, facts.dockerfile.partition(_AFTER_PYTHON)[0], sources, entry.configure, packages)


def pythons_definition(catalogue: Catalogue, facts: DefinitionFacts, *, suite: str, python: str) -> str:
    """Digest what determines the compiled Pythons of one builder together: a sha256 in hexadecimal."""
    names = builder_pythons(catalogue, python)
    return _digest([python_definition(catalogue, facts, suite=suite, python=name) for name in names])


def builder_definition(catalogue: Catalogue, facts: DefinitionFacts, *, suite: str, python: str) -> str:
    """Digest what determines a suite's builder image for one Python: a sha256 in hexadecimal."""
    pythons = pythons_definition(catalogue, facts, suite=suite, python=python)
    policy = own_suite(catalogue, suite).policy
    return _digest("builder", facts.dockerfile, pythons, policy, catalogue.tools.model_dump(), facts.tools_lock)


def runtime_definition(catalogue: Catalogue, facts: DefinitionFacts, *, suite: str, python: str) -> str:
    """Digest what determines a suite's runtime image for one Python: a sha256 in hexadecimal."""
    compiled = python_definition(catalogue, facts, suite=suite, python=python)
    return _digest("runtime", facts.dockerfile, compiled, own_suite(catalogue, suite).policy)


def builder_pythons(catalogue: Catalogue, python: str) -> tuple[str, ...]:
    """Say which Pythons a builder carries: the one that its tools run on, and the one that it builds for."""
    return tuple(dict.fromkeys((catalogue.tools.python, python)))


def own_suite(catalogue: Catalogue, name: str) -> Suite:
    """Return the entry of a suite whose images are made here.

    Raises:
        NotFoundError: the catalogue has no such suite.
        SuiteUnsupportedError: it is an image that others make.
    """
    entry = catalogue.suite.get(name)
    if entry is None:
        raise NotFoundError(kind="suite", name=name)
    if not isinstance(entry, Suite):
        raise SuiteUnsupportedError(suite=name, image=entry.image, package_manager=entry.package_manager)
    return entry


def toolchain_definition(catalogue: Catalogue, name: ToolchainName, *, suite: str, builder: str) -> str:
    """Digest a builder image's id (or definition) and the toolchain added to it: a sha256 in hexadecimal."""
    toolchain = catalogue.toolchain[name]
    parts = (toolchain.version_command, toolchain.env, sorted(toolchain.suite[suite].apt))
    return _digest("toolchain", builder, name, *parts)


def environment_definition(*, builder: str, packages: Sequence[str]) -> str:
    """Digest a builder image's id and the system packages added to it, in any order: a sha256 in hexadecimal."""
    return _digest("environment", builder, sorted(set(packages)))


def reject_package_names(packages: Sequence[str]) -> list[str]:
    """List what is no Debian package name (Debian Policy 5.6.1).

    A name that ends in a hyphen is refused although the policy allows it: apt-get reads it as "remove".
    """
    return [name for name in packages if _DEBIAN_PACKAGE.fullmatch(name) is None]


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
