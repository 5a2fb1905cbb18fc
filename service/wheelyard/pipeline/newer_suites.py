"""Say which suites and Pythons of the catalogue are new enough, where a builder's library or Python is too old."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from packaging.specifiers import SpecifierSet

from wheelyard.domain.catalogue.archive_files import FileKind, WantedFile
from wheelyard.domain.catalogue.catalogue import BuilderChoice
from wheelyard.domain.catalogue.reach import Reach
from wheelyard.domain.healing.findings import Finding, FindingKind
from wheelyard.domain.packaging.target import Target, python_order, python_version
from wheelyard.domain.untrusted.versions import find_specifiers, find_version
from wheelyard.errors import WheelyardError
from wheelyard.interfaces.archives import SuiteArchives

_MOST: Final = 5
"""Findings that are looked up; each asks every suite."""
_UPSTREAM: Final = re.compile(r"(?:\d{1,4}:)?(\d{1,9}(?:\.\d{1,9}){0,5})(~(?:alpha|beta|rc|pre|dev|git))?")
"""The upstream part of a package's version, without its epoch, revision and what a distribution adds; and whether it
is one before the release."""


async def name_newer_suites(
    findings: Sequence[Finding], archives: SuiteArchives, suites: Sequence[str], architecture: str
) -> tuple[Finding, ...]:
    """Return the findings; those of libraries that are too old say in which suites they are new enough.

    A suite whose archive cannot be read now is not named; then it is not said either that no suite has it.

    Args:
        findings: What a failed stage said.
        archives: The suites' package archives.
        suites: The other suites of the catalogue, in the order in which they are named.
        architecture: The architecture of the builder.
    """
    old = [one for one in findings if one.kind is FindingKind.LIBRARY_TOO_OLD and one.bound][:_MOST]
    known = {one: await _with_suites(one, archives, suites, architecture) for one in old}
    return tuple(known.get(one, one) for one in findings)


async def _with_suites(finding: Finding, archives: SuiteArchives, suites: Sequence[str], architecture: str) -> Finding:
    wanted = _specifier(finding.bound)
    if wanted is None:
        return finding
    versions = {suite: await _version(finding.name, archives, suite, architecture) for suite in suites}
    enough = [f"{suite} has {version}" for suite, version in versions.items() if version and _suffices(version, wanted)]
    if not enough:
        if None in versions.values():
            return finding
        return replace(
            finding,
            remedy=f"No suite of the catalogue has {finding.name} {finding.bound}. Build an older release, or bring "
            "the library by the recipe's sources.",
        )
    builder = "its builder" if len(enough) == 1 else "a builder of one of them"
    return replace(finding, remedy=f"{', '.join(enough)}: ask for {builder}, or build an older release.")


async def _version(name: str, archives: SuiteArchives, suite: str, architecture: str) -> str | None:
    """Return a suite's upstream version of a library; empty if it has none, None if its archive cannot be read."""
    try:
        for wanted in _files_of(name):
            for package in await archives.find(suite, architecture, wanted):
                if match := _UPSTREAM.match(package.version):
                    return match[1] + (".dev0" if match[2] else "")
    except WheelyardError:
        return None
    return ""


def _files_of(name: str) -> tuple[WantedFile, ...]:
    """Return the files by which a library of a name is known."""
    low = name.lower()
    plain = low.removeprefix("lib")
    modules = (WantedFile(kind=FileKind.PKG_CONFIG, name=one) for one in (name, low, plain, f"lib{plain}"))
    library = WantedFile(kind=FileKind.LIBRARY, name=plain)
    return tuple(dict.fromkeys((*modules, library, WantedFile(kind=FileKind.CMAKE, name=name))))


def _specifier(bound: str) -> SpecifierSet | None:
    """Return the versions that a bound allows; pkg-config writes ``=`` for ``==``."""
    return find_specifiers(re.sub(r"(?<![<>=!~])=(?!=)", "==", bound))


def _suffices(version: str, wanted: SpecifierSet) -> bool:
    parsed = find_version(version)
    return parsed is not None and wanted.contains(parsed, prereleases=True)


def name_newer_pythons(
    findings: Sequence[Finding], target: Target, builders: Iterable[BuilderChoice], reach: Reach
) -> tuple[Finding, ...]:
    """Return the findings; those of a Python that is too old say which Pythons to ask for instead.

    Args:
        findings: What a failed stage said.
        target: The target of the build.
        builders: All builders of the catalogue.
        reach: Which Pythons can be had.
    """
    here = {one.python: one for one in builders if one.policy == target.policy}
    return tuple(
        _with_pythons(one, target, here, reach) if one.kind is FindingKind.PYTHON_TOO_OLD else one for one in findings
    )


def _with_pythons(finding: Finding, target: Target, here: dict[str, BuilderChoice], reach: Reach) -> Finding:
    wanted = find_specifiers(finding.bound)
    if wanted is None:
        return finding
    newer = [
        python
        for python in sorted(here, key=python_order, reverse=True)
        if python_order(python) > python_order(target.python)
        and python.endswith("t") == target.is_free_threaded
        and wanted.contains(python_version(python))
    ]
    plain = python_version(target.python)
    with_gil = plain if target.is_free_threaded and "free-threaded" in f"{finding.line} {finding.cause}" else ""
    named = [one if reach.has(here[one]) else f"{one} (source-unreachable here)" for one in newer]
    choices = [f"for Python {', '.join(named)}"] if named else []
    if with_gil in here:
        choices.append(f"for Python {with_gil}, which has the GIL")
    if not choices:
        return replace(finding, remedy=f"The catalogue has no Python {finding.bound}. Build an older release.")
    return replace(finding, remedy=f"Ask {', or '.join(choices)}; or build an older release.")
