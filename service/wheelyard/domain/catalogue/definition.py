"""Digests of everything that determines an image. Images are found by it, and made again when it changes.

The inputs are the catalogue and the texts beside it.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from wheelyard.domain.catalogue.architectures import EMULATED
from wheelyard.domain.catalogue.catalogue import Catalogue
from wheelyard.domain.catalogue.suites import ImageSuite, Suite
from wheelyard.domain.toolchain import ToolchainName
from wheelyard.errors import NotFoundError, SuiteUnsupportedError

_AFTER_PYTHON: Final = "\nFROM ${PYTHONS} AS pythons\n"
_COMMENT: Final = re.compile(r"^#.*\n", re.MULTILINE)
# Raised when the layers on builders are made differently; 2: they have a lock and an SBOM.
_FINISHED: Final = 2
# Raised when the layer on external builders is made differently; 2: nothing is setuid;
# 3: each container has a user.
_FOREIGN: Final = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class DefinitionFacts:
    """Inputs of an image that are not in the catalogue."""

    dockerfile: str
    """Text of builders/Dockerfile."""
    tools_lock: str
    """Text of builders/tools.lock."""
    architecture: str
    """Architecture of the images, such as ``x86_64``."""
    environment: tuple[tuple[str, str], ...] = ()
    """Inputs of the operator, such as a package mirror or the digest of a CA bundle."""
    compile_script: str = ""
    """Text of builders/compile_python.sh."""
    optimise_scripts: tuple[str, ...] = ()
    """Texts of builders/optimise_python.sh and what it calls."""
    cross: str = ""
    """Text of builders/cross.Dockerfile."""

    @property
    def instructions(self) -> str:
        """Return the Dockerfile without comments, so that a changed comment does not make images anew."""
        return _COMMENT.sub("", self.dockerfile)

    @property
    def cross_instructions(self) -> tuple[str, ...]:
        """Return how a Python is cross-compiled, without comments; nothing for an architecture that none emulates.

        A native compilation of the architecture has the same definition, so that a build's key does not depend on the
        worker that runs it.
        """
        return (_COMMENT.sub("", self.cross),) if self.architecture in EMULATED else ()


def base_definition(catalogue: Catalogue, facts: DefinitionFacts, *, suite: str) -> str:
    """Return the digest of a suite's base image: a sha256 in hexadecimal."""
    archive = own_suite(catalogue, suite).model_dump(
        include={"components", "mirror", "security_mirror", "snapshot"}, exclude_defaults=True
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
    """Return the digest of a compiled Python: a sha256 in hexadecimal.

    The hash of its source is part of it; its mirrors and the Dockerfile's later stages are not.
    """
    base = base_definition(catalogue, facts, suite=suite)
    entry = catalogue.cpython(python)
    sources = [source.sha256 for source in entry.source]
    packages = own_suite(catalogue, suite).packages.model_dump()
    stages = facts.instructions.partition(_AFTER_PYTHON)[0]
    script = [_COMMENT.sub("", facts.compile_script)] if facts.compile_script else []
    return _digest("python", base, stages, sources, entry.configure, packages, *script, *facts.cross_instructions)


def optimised_definition(catalogue: Catalogue, facts: DefinitionFacts, *, suite: str, python: str) -> str:
    """Return the digest of a Python that is compiled again with a profile: a sha256 in hexadecimal.

    No builder or runtime has it in its own definition: wheels do not depend on it.
    """
    compiled = python_definition(catalogue, facts, suite=suite, python=python)
    return _digest("optimised", compiled, [_COMMENT.sub("", text) for text in facts.optimise_scripts])


def can_be_optimised(catalogue: Catalogue, facts: DefinitionFacts, python: str) -> bool:
    """Return whether a Python is compiled again with a profile.

    Those without a GIL and those for other machines than x86_64 are not yet. One whose options already have it
    never is.
    """
    is_plain = "--enable-optimizations" not in catalogue.cpython(python).configure
    return is_plain and facts.architecture == "x86_64" and not python.endswith("t")


def pythons_definition(catalogue: Catalogue, facts: DefinitionFacts, *, suite: str, python: str) -> str:
    """Return the digest of all compiled Pythons of one builder: a sha256 in hexadecimal."""
    names = builder_pythons(catalogue, python)
    return _digest([python_definition(catalogue, facts, suite=suite, python=name) for name in names])


def builder_definition(catalogue: Catalogue, facts: DefinitionFacts, *, suite: str, python: str) -> str:
    """Return the digest of a suite's builder image for one Python: a sha256 in hexadecimal."""
    entry = catalogue.suite.get(suite)
    if isinstance(entry, ImageSuite) and entry.is_buildable:
        return _external_definition(catalogue, facts, entry, python=python)
    pythons = pythons_definition(catalogue, facts, suite=suite, python=python)
    policy = own_suite(catalogue, suite).policy
    return _digest("builder", facts.instructions, pythons, policy, catalogue.tools.model_dump(), facts.tools_lock)


def _external_definition(catalogue: Catalogue, facts: DefinitionFacts, entry: ImageSuite, *, python: str) -> str:
    """Return the digest of the layer on an external builder."""
    image = entry.model_dump(include={"image", "package_manager", "python_path", "policy"})
    pythons = builder_pythons(catalogue, python)
    tools = (catalogue.tools.model_dump(), facts.tools_lock, catalogue.source_date_epoch)
    return _digest(_FOREIGN, "foreign", image, facts.architecture, facts.environment, pythons, tools)


def runtime_suite(catalogue: Catalogue, suite: str) -> str:
    """Return the suite whose runtime verifies a suite's wheels: itself, unless its builder is an external image.

    Raises:
        NotFoundError: the catalogue has no such suite.
        SuiteUnsupportedError: it is an image of others without one.
    """
    entry = catalogue.suite.get(suite)
    if isinstance(entry, ImageSuite) and entry.is_buildable and entry.runtime is not None:
        return entry.runtime
    own_suite(catalogue, suite)
    return suite


def runtime_definition(catalogue: Catalogue, facts: DefinitionFacts, *, suite: str, python: str) -> str:
    """Return the digest of a suite's runtime image for one Python: a sha256 in hexadecimal."""
    suite = runtime_suite(catalogue, suite)
    compiled = python_definition(catalogue, facts, suite=suite, python=python)
    return _digest("runtime", facts.instructions, compiled, own_suite(catalogue, suite).policy)


def builder_pythons(catalogue: Catalogue, python: str) -> tuple[str, ...]:
    """Return the Pythons of a builder: the one for its tools, and the one that it builds for."""
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
    """Return the digest of a builder's id (or definition) with an added toolchain: a sha256 in hexadecimal."""
    toolchain = catalogue.toolchain[name]
    packages = toolchain.suite[suite].packages_for(catalogue.suite[suite].package_manager)
    parts = (toolchain.version_command, toolchain.env, sorted(packages))
    return _digest(_FINISHED, "toolchain", builder, name, *parts)


def environment_definition(*, builder: str, packages: Sequence[str]) -> str:
    """Return the digest of a builder's id with added system packages, in any order: a sha256 in hexadecimal."""
    return _digest(_FINISHED, "environment", builder, sorted(set(packages)))


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def current_definitions(catalogue: Catalogue, facts: DefinitionFacts) -> frozenset[str]:
    """Return the definitions that the builders and runtimes of an architecture have now."""
    return frozenset(
        define(catalogue, facts, suite=choice.suite, python=choice.python)
        for choice in catalogue.on(facts.architecture).builders()
        for define in (builder_definition, runtime_definition)
    )
