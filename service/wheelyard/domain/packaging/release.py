"""Projects, releases and the files that an index lists for them, and the choice of one release (PEP 440)."""

import functools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import InvalidName, NormalizedName, canonicalize_name
from packaging.version import Version

from wheelyard.domain.packaging.target import python_version
from wheelyard.domain.untrusted.file_names import read_wheel_name
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.domain.untrusted.requirements import read_requirement
from wheelyard.domain.untrusted.versions import find_specifiers, read_version
from wheelyard.errors import InvalidRequirementError, NoMatchingVersionError, NoSdistError

_SHOWN: Final = 5
_LONGEST: Final = 500
# PEP 625 and PEP 527, best first. Other archive formats of older releases are not supported.
_SDIST_SUFFIXES: Final = (".tar.gz", ".zip")
_FILE_SUFFIXES: Final = (".whl", ".tar.gz", ".tgz", ".tar.bz2", ".zip")
# Inputs that are not a PEP 508 requirement for an index, with the reason; the first match counts.
_REFUSED: Final = (
    (re.compile(r"\s*"), "it is empty"),
    (re.compile(rf".{{{_LONGEST + 1},}}", re.DOTALL), f"it is longer than {_LONGEST} characters"),
    (re.compile(r".*[\x00-\x1f\x7f].*", re.DOTALL), "it has line breaks or control characters"),
    (re.compile(r"\s*-.*"), "it is an option of an installer, not a requirement"),
    (re.compile(r"\s*(?:git|hg|svn|bzr)\+.*"), "it names a version control repository, not a release on the index"),
    (re.compile(r".*://.*"), "it is a URL, not a release on the index"),
    (re.compile(r"[^;]*@.*"), "it is a direct reference ('name @ address'), not a release on the index"),
    (re.compile(r"\s*[.~/\\].*|[^;]*[/\\].*"), "it is a path, not a release on the index"),
    (re.compile(r".*;.*"), "it has an environment marker, and the target is named separately"),
    (re.compile(r"[^=<>!~]*[^=<>!~\s]\s*=\s*[^=\s].*"), "it has a single '=', and an exact version is written '=='"),
    (re.compile(r"\s*[\w.\-\[\],]+\s+v?[0-9].*"), "a version needs an operator before it, such as '=='"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexFile:
    """One distribution as an index lists it (PEP 503, 691, 592, 700)."""

    filename: str
    url: str
    """Absolute URL of the bytes."""
    sha256: str
    """Lower-case hexadecimal digest that the bytes must have."""
    kind: Literal["sdist", "wheel"]
    version: Version
    size_bytes: int | None = None
    requires_python: str | None = None
    yanked: bool = False
    yanked_reason: str | None = None
    upload_time: datetime | None = None
    own: bool = False
    """True if it is on our own index, so that its bytes are only fetched there."""

    @property
    def project(self) -> NormalizedName:
        """Return the project in the file's name; raise ValueError if it has none."""
        if self.kind == "wheel":
            return read_wheel_name(self.filename)[0]
        # Names of older archives do not follow PEP 625: the project is everything before the version.
        stem = next(self.filename[: -len(end)] for end in (*_FILE_SUFFIXES, "") if self.filename.endswith(end))
        return canonicalize_name(stem.rpartition("-")[0] or stem)


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectFiles:
    """Everything that an index lists for one project."""

    project: NormalizedName
    files: tuple[IndexFile, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectRequirement:
    """A project and its acceptable versions (PEP 508 without URL and marker)."""

    project: NormalizedName
    specifier: SpecifierSet
    extras: frozenset[NormalizedName] = frozenset()
    """Only shown; a build does not use them."""

    def __str__(self) -> str:
        extras = f"[{','.join(sorted(self.extras))}]" if self.extras else ""
        return f"{self.project}{extras}{self.specifier}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """A project's version with the sdist that it is built from."""

    project: NormalizedName
    version: Version
    sdist: IndexFile

    def __str__(self) -> str:
        return f"{self.project} {self.version}"


def parse_requirement(text: str) -> ProjectRequirement:
    """Parse a requirement of a project, extras and versions; raise InvalidRequirementError for anything else.

    Extras do not change what is built: the wheel is the same for ``name`` and ``name[extra]``, only what an installer
    adds to it differs.
    """
    for pattern, reason in _REFUSED:
        if pattern.fullmatch(text):
            raise InvalidRequirementError(requirement=text[:_LONGEST], reason=reason)
    try:
        parsed = read_requirement(text)
        project, *extras = (canonicalize_name(name, validate=True) for name in (parsed.name, *parsed.extras))
    except InvalidName as error:
        reason = f"it is not a PEP 508 requirement ({str(error).splitlines()[0]})"
        raise InvalidRequirementError(requirement=text, reason=reason) from error
    except RefusedTextError as error:
        raise InvalidRequirementError(requirement=text, reason=str(error)) from error
    _check_sense(text, parsed)
    return ProjectRequirement(project=project, specifier=parsed.specifier, extras=frozenset(extras))


def choose_release(requirement: ProjectRequirement, page: ProjectFiles, *, python: str) -> Release:
    """Return the newest release that fits, by pip's rules for candidates.

    In pip's order: files whose Requires-Python excludes the Python are skipped (an invalid Requires-Python is
    ignored); the specifier decides, with pre-releases only if it names one or nothing else fits (PEP 440); yanked
    files are skipped unless the specifier is an exact pin that only yanked files satisfy (PEP 592). Unlike pip, a
    newest release without an sdist is an error, not a reason to use an older one, which was not requested.

    Args:
        requirement: The project and its acceptable versions.
        page: The project's files on the index.
        python: Version of the target's Python. As in pip, ``3.13`` counts as 3.13.0.

    Raises:
        NoMatchingVersionError: Nothing fits; the error explains why the nearest releases do not.
        NoSdistError: The newest release that fits has no sdist.
    """
    fitting = _fitting_files(requirement.specifier, page.files, python)
    if not fitting:
        raise _no_match(requirement, page, python)
    version = max(file.version for file in fitting)
    files = [file for file in fitting if file.version == version]
    sdist = best_sdist(files)
    if sdist is None:
        raise NoSdistError(release=f"{page.project} {version}", files=sorted(file.filename for file in files))
    return Release(project=page.project, version=version, sdist=sdist)


def pinned_version(specifier: SpecifierSet) -> Version | None:
    """Return the one version that a specifier allows (``==1.0``); None if it allows more."""
    clauses = list(specifier)
    if len(clauses) != 1 or clauses[0].operator != "==" or clauses[0].version.endswith(".*"):
        return None
    return read_version(clauses[0].version)


def serves_python(file: IndexFile, python: str) -> bool:
    """Return whether a file's Requires-Python allows a Python; an invalid one allows any, as in pip."""
    return allows_python(file.requires_python, python)


def allows_python(requires_python: str | None, python: str) -> bool:
    """Return whether a Requires-Python allows a Python such as ``3.13t``; a missing or invalid one allows any."""
    return requires_python is None or _allows(requires_python, python_version(python))


@functools.lru_cache(maxsize=4096)
def _allows(requires_python: str, python: str) -> bool:
    """Return whether it allows a Python. Cached: a page has thousands of files with a handful of values."""
    allowed = find_specifiers(requires_python)
    return allowed is None or allowed.contains(python, prereleases=True)


def best_sdist(files: Iterable[IndexFile]) -> IndexFile | None:
    """Return the best sdist of a release's files; None if there is none that can be built."""
    return min(filter(_is_sdist, files), key=_sdist_preference, default=None)


def _check_sense(text: str, parsed: Requirement) -> None:
    """Raise InvalidRequirementError for what PEP 508 allows but no index can answer."""
    if parsed.name.lower().endswith(_FILE_SUFFIXES):
        raise InvalidRequirementError(requirement=text, reason="it is a file name, not a project's name")
    if parsed.specifier.is_unsatisfiable():
        reason = f"no version at all can satisfy '{parsed.specifier}'"
        raise InvalidRequirementError(requirement=text, reason=reason)


def _fitting_files(specifier: SpecifierSet, files: Iterable[IndexFile], python: str) -> list[IndexFile]:
    """Return the files that fit, by pip's rules in pip's order: a yanked final release still hides pre-releases.

    See ``CandidateEvaluator.get_applicable_candidates`` and ``Factory._iter_found_candidates`` in pip 26.3, and
    https://github.com/pypa/pip/issues/8262.
    """
    usable = [file for file in files if serves_python(file, python)]
    applicable = list(specifier.filter(usable, key=_version_of))
    if _is_pinned(specifier) and all(file.yanked for file in applicable):
        return applicable
    return [file for file in applicable if not file.yanked]


def _version_of(file: IndexFile) -> Version:
    return file.version


def _is_pinned(specifier: SpecifierSet) -> bool:
    return any(one.operator == "===" or (one.operator == "==" and not one.version.endswith(".*")) for one in specifier)


def _is_sdist(file: IndexFile) -> bool:
    return file.kind == "sdist" and file.filename.endswith(_SDIST_SUFFIXES)


def _sdist_preference(file: IndexFile) -> tuple[bool, str]:
    return not file.filename.endswith(_SDIST_SUFFIXES[0]), file.filename


def _no_match(requirement: ProjectRequirement, page: ProjectFiles, python: str) -> NoMatchingVersionError:
    newest = sorted({file.version for file in page.files}, reverse=True)[:_SHOWN]
    return NoMatchingVersionError(
        requirement=str(requirement),
        python=python,
        newest=[str(version) for version in newest],
        rejected=_why_none_fits(requirement.specifier, page.files, python),
    )


def _why_none_fits(specifier: SpecifierSet, files: Sequence[IndexFile], python: str) -> str:
    """Return why the newest release that the specifier alone allows was rejected."""
    if not files:
        return "the index lists no usable files for it"
    matching = list(specifier.filter(files, prereleases=True, key=_version_of))
    if not matching:
        return f"no version satisfies '{specifier}'"
    usable = [file for file in matching if serves_python(file, python)]
    if not usable:
        newest = max(matching, key=_version_of)
        return f"{newest.version} requires Python {newest.requires_python}"
    # A file that is neither yanked nor a final release can only have been hidden by a yanked final release.
    newest = max((file for file in usable if file.yanked), key=_version_of)
    reason = f": {newest.yanked_reason}" if newest.yanked_reason else ""
    only = "" if all(file.yanked for file in usable) else ", and the others are pre-releases"
    return f"{newest.version} was yanked{reason}{only}"
