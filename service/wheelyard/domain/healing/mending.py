"""What mends a finding: files to look for in the suite's archive, a toolchain, or a build requirement."""

from dataclasses import dataclass
from typing import Final

from wheelyard.domain.catalogue.archive_files import FileKind, WantedFile
from wheelyard.domain.healing.findings import Finding, FindingKind
from wheelyard.domain.healing.signs import TOOLCHAINS
from wheelyard.domain.untrusted.requirements import find_requirement

_PROGRAMS_WITH_WHEELS: Final = frozenset({"cmake", "meson", "ninja", "cython"})
"""Build tools that are installed into the build's own environment: the index has newer ones than a suite."""
_FETCHERS: Final = frozenset({"git", "hg", "svn", "curl", "wget"})
"""Programs that a build wants in order to fetch something, which it cannot."""
_TRANSLATOR: Final = "cython<3.1"
"""The last Cython that takes Python 2's language, in which the modules of such sdists are often written:
https://cython.readthedocs.io/en/latest/src/changes.html"""
_PROJECTS: Final = {
    "Crypto": "pycryptodome",
    "cv2": "opencv-python-headless",
    "git": "gitpython",
    "PIL": "pillow",
    "pkg_resources": "setuptools<81",
    "skbuild": "scikit-build",
    "yaml": "pyyaml",
}
"""Modules whose project has another name. setuptools 82 removed pkg_resources:
https://setuptools.pypa.io/en/latest/history.html#v82-0-0"""
_NOT_PROJECTS: Final = frozenset({"distutils", "imp", "asynchat", "asyncore", "cgi", "pipes", "lib2to3"})
"""Modules that Python itself had."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Mend:
    """What would mend one finding."""

    finding: Finding
    files: tuple[WantedFile, ...] = ()
    """Files of which one package is wanted, the most telling first: the first one that the archive has decides."""
    toolchain: str = ""
    """A toolchain with its floor, such as ``rust>=1.80``."""
    requirement: str = ""
    """A build requirement to add."""
    cythonize: bool = False
    """Whether C sources that Cython made must be made anew, by the Cython of ``requirement``."""
    older: str | None = None
    """A build requirement that must be as old as the release; empty if it is not known which. None if none must be."""


def mend_of(finding: Finding) -> Mend | None:
    """Return what would mend a finding of the build stage; None if nothing of a recipe does."""
    name, kind = finding.name, finding.kind
    if kind is FindingKind.TOOLCHAIN or name.lower() in TOOLCHAINS:
        return _toolchain(finding)
    if kind is FindingKind.BACKEND_DRIFT:
        return Mend(finding=finding, older=name)
    if kind is FindingKind.C_SOURCES:
        return Mend(finding=finding, cythonize=True, requirement=_TRANSLATOR)
    if kind is FindingKind.PYTHON_MODULE:
        return _requirement(finding, name.partition(".")[0])
    if kind is FindingKind.PROGRAM and name.lower() in _PROGRAMS_WITH_WHEELS:
        return Mend(finding=finding, requirement=name.lower())
    files = () if name in _FETCHERS else files_of(kind, name)
    return Mend(finding=finding, files=files) if files else None


def files_of(kind: FindingKind, name: str) -> tuple[WantedFile, ...]:
    """Return the files that something missing may be, the most telling first; empty if no package can have it."""
    plain = name.removeprefix("lib").partition(".so")[0]
    match kind:
        case FindingKind.HEADER:
            return (WantedFile(kind=FileKind.HEADER, name=name),)
        case FindingKind.PKG_CONFIG:
            return _wanted(
                (FileKind.PKG_CONFIG, name, f"lib{plain}"), (FileKind.LIBRARY, plain), (FileKind.PROGRAM, name)
            )
        case FindingKind.LIBRARY:
            low = plain.lower()  # prose writes a library's name as people do
            return _wanted(
                (FileKind.LIBRARY, plain),
                (FileKind.PKG_CONFIG, name, plain, f"lib{plain}"),
                (FileKind.LIBRARY, low),
                (FileKind.PROGRAM, f"{low}-config"),
            )
        case FindingKind.PROGRAM:
            return _wanted((FileKind.PROGRAM, name.rpartition("/")[2]))
        case FindingKind.CMAKE_PACKAGE:
            low = name.lower()
            return _wanted(
                (FileKind.CMAKE, name), (FileKind.PKG_CONFIG, low, f"lib{low}"), (FileKind.LIBRARY, name, low)
            )
        case _:
            return ()


def _wanted(*kinds: tuple[FileKind | str, ...]) -> tuple[WantedFile, ...]:
    found = [WantedFile(kind=FileKind(kind), name=name) for kind, *names in kinds for name in names if name]
    return tuple(dict.fromkeys(found))


def _toolchain(finding: Finding) -> Mend:
    name = TOOLCHAINS.get(finding.name.lower(), finding.name)
    floor = finding.bound if finding.bound.startswith(">=") else ""
    return Mend(finding=finding, toolchain=f"{name}{floor}")


def project_of(module: str) -> str | None:
    """Return a requirement of the project that has a module: its own name, but for a few; None if none has it."""
    if module in _NOT_PROJECTS:
        return None
    text = _PROJECTS.get(module, module.replace("_", "-").lower())
    return text if find_requirement(text) is not None else None


def _requirement(finding: Finding, module: str) -> Mend | None:
    text = project_of(module)
    return None if text is None else Mend(finding=finding, requirement=text)
