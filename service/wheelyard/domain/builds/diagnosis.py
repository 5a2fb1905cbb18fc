"""Explain a failed build from its log: the cause in a sentence, and what to add to a recipe.

Backends, compilers and configure scripts only report in prose, so this module searches prose. What it does not
recognise stays unexplained. There are no rules for single projects: those belong into recipes.

The log is untrusted, so each pattern has a form whose cost is known (tests/unit/domain/test_log_patterns.py): no
repetition without an upper limit, and possessive ones (``++``, ``{1,9}+``) wherever the next part cannot begin with
what is repeated, so that nothing is matched twice.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from wheelyard.domain.builds.network import REMEDY, calls_in_log, name_calls
from wheelyard.domain.recipes.system_packages import debian_package, package_of_header, package_of_program
from wheelyard.errors import DiskLimitError, NetworkCall, OpenFilesLimitError

MAX_CHARACTERS: Final = 64 << 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Diagnosis:
    """The cause of a failed build, as far as its log shows it."""

    cause: str
    remedy: str
    limit: str = ""
    """The error code of the limit that the build reached; empty if it reached none."""
    is_network: bool = False
    """True if it tried to reach a network."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Sign:
    pattern: re.Pattern[str]
    explain: Callable[[re.Match[str]], Diagnosis]


def _sign(pattern: str, cause: str, remedy: str, *, package: Callable[[str], str | None] = lambda _: None) -> _Sign:
    """Return a sign that matches a pattern; ``{0}`` in the sentences is what the first group matched, and so on.

    Where ``package`` knows which Debian package that is, the remedy names it.
    """

    def explain(match: re.Match[str]) -> Diagnosis:
        groups = [" ".join(group.split()) for group in match.groups("")] or [""]
        known = [package(name) for name in re.split(r",\s*|\s+and\s+", groups[0])]
        named = [f'"{one}"' for one in dict.fromkeys(known) if one]
        said = _PACKAGES.format(", ".join(named)) if all(known) else remedy.format(*groups)
        return Diagnosis(cause=cause.format(*groups), remedy=said)

    return _Sign(pattern=re.compile(pattern, re.MULTILINE), explain=explain)


_PACKAGES: Final = "Put into the recipe: apt = [{}]."
_DEV_PACKAGE: Final = "Put the Debian -dev package that holds {0} into the recipe's apt list."
_DEV_PACKAGE_OF: Final = "Put the Debian -dev package of {0} into the recipe's apt list."
_PC_FILE: Final = "Put the Debian -dev package that holds {0}.pc into the recipe's apt list."
_PROGRAM: Final = "Put the Debian package that holds {0} into the recipe's apt list (apt-file search bin/{0})."

# The most specific first: the first one that matches anywhere in the log counts.
_SIGNS: Final = (
    _sign(
        r"fatal error: ([\w./+-]{1,200}+): No such file or directory",
        "the C header {0} is missing",
        "Put the Debian -dev package that holds {0} into the recipe's apt list (apt-file search {0}).",
        package=package_of_header,
    ),
    _sign(
        r"error: #error \"?+([^\n\"]{1,300}+)",
        "its source refuses to be compiled here: {0}",
        "If a library is too old, ask for a builder of a newer suite, or build an older release.",
    ),
    _sign(
        r"(?i)minimum supported ([\w.+ -]{1,60}) version is (\d{1,9}+(?:\.\d{1,9}+){0,5}+)",
        "it needs {0} {1} or newer, and the builder has an older one",
        "Ask for a builder of a newer suite, or build an older release.",
    ),
    _sign(
        r"/ld(?:\.\w{1,20}+)?+: cannot find -lpython([\d.]{1,10}+)",
        "it links libpython{0}, and the builders' Pythons have no shared library",
        "An extension module needs none, since the interpreter has all of it (PEP 513): see whether env or "
        "config-settings make the project leave it out. A program that embeds Python cannot be a manylinux wheel.",
    ),
    _sign(
        r"/ld(?:\.\w{1,20}+)?+: cannot find -l([\w.+-]{1,100}+)",
        "the library {0} is missing",
        "Put the Debian -dev package that holds lib{0}.so into the recipe's apt list.",
        package=debian_package,
    ),
    _sign(
        r"\b((?:pg|mysql|xml2|xslt|curl|krb5|geos|gdal|freetype)[_-]config)\b.{0,40}not found",
        "the program {0} is missing",
        _DEV_PACKAGE,
        package=package_of_program,
    ),
    _sign(
        r"\[Errno 2\] No such file or directory: '([\w.+-]{1,60}[-_]config)'",
        "the program {0} is missing",
        _PROGRAM,
        package=package_of_program,
    ),
    _sign(
        r"\b(?:No package '|Package '?|Dependency \")([\w.+-]{1,100}+)(?:', required by '[^'\n]{1,100}+'|['\"])?+,?+"
        r" (?:was not found|not found|found)\b",
        "pkg-config does not know {0}",
        _PC_FILE,
        package=debian_package,
    ),
    # Meson from 1.10 on.
    _sign(
        r"ERROR: Dependency ['\"]([\w.+-]{1,100}+)['\"] is required but not found",
        "pkg-config does not know {0}",
        _PC_FILE,
        package=debian_package,
    ),
    _sign(
        r"Invalid version, need '([\w.+-]{1,100}+)' \['([^\]'\n]{1,60}+)'\] found '([\w.+~-]{1,40}+)'",
        "it wants {0} {1}, and the builder has {2}",
        "Ask for a builder of a newer suite, or build an older release.",
    ),
    _sign(
        r"pkg-config (?:--[\w-]{1,60}+ ){0,9}+([\w.+-]{1,100}+)'?+ returned non-zero exit status",
        "pkg-config does not know {0}",
        _PC_FILE,
        package=debian_package,
    ),
    _sign(
        r"(?i)can ?not find valid pkg-config name",
        "pkg-config does not know a library that it needs",
        "Put the Debian -dev package of the library into the recipe's apt list.",
    ),
    _sign(
        r"(?:RequiredDependencyException: |headers or library files could not be found for )([\w+-]{1,100}+)",
        "the library {0} is missing, or its headers are",
        _DEV_PACKAGE_OF,
        package=debian_package,
    ),
    _sign(
        r"(?i)(?>you need to install|make sure|please install)(?: that)?+(?: the)?+ ([\w.+-][\w.+, -]{0,100}?)"
        r" dev(?:elopment|el)?+ (?>headers|files|libraries|packages?)\b",
        "the development files of {0} are missing",
        _DEV_PACKAGE_OF,
        package=debian_package,
    ),
    _sign(
        r"(?i)can't find rust compiler|cargo(?:, the rust package manager)?+,?+ is not installed|rustc.{0,20}not found|"
        r"rust not found, installing",
        "it needs a Rust toolchain",
        'Put toolchains = ["rust"] into the recipe.',
    ),
    _sign(
        r"\b([\w+-][\w.+-]{0,100}+) is not installed or (?:is )?not (?:in|on) (?:the )?(?i:path)\b",
        "{0} is not installed",
        "Put the Debian package of {0}, and its -dev package, into the recipe's apt list.",
        package=debian_package,
    ),
    _sign(
        r"Unknown compiler\(s\): \[\[?'(?:gfortran|flang|f95)",
        "it needs a Fortran compiler",
        'Put toolchains = ["fortran"] into the recipe.',
    ),
    _sign(r"Could NOT find (Java|JNI)\b", "it needs {0}", 'Put toolchains = ["java"] into the recipe.'),
    _sign(r"Could (?:NOT|not) find ANT_EXECUTABLE", "it needs ant", 'Put toolchains = ["java"] into the recipe.'),
    _sign(
        r"bazel.{0,20}not found|No such file or directory: '(?:/[^\s']{0,200}/)?bazel(?:isk)?'",
        "it needs Bazel",
        'Put toolchains = ["bazel"] into the recipe.',
    ),
    _sign(
        r"Could not find \w{1,100}+ using the following names: ([\w.+-]{1,100}+)",
        "CMake does not find {0}",
        _PROGRAM,
    ),
    _sign(
        r"CMake Error[^\n]{0,300}+\n\s{0,20}+Could NOT find ([\w.+-]{1,100}+)",
        "CMake does not find {0}",
        _DEV_PACKAGE_OF,
        package=debian_package,
    ),
    # The message of a project's own CMake code (FATAL_ERROR). It is indented and may span lines.
    _sign(
        r"CMake Error at [^\n(]{1,200}+\(message\):\n((?:  [^\n]{1,200}+\n?+){1,3}+)",
        "its CMake project refuses: {0}",
        "If it misses a library, put its Debian -dev package into the recipe's apt list.",
    ),
    # Python's subprocess module could not find a program.
    _sign(
        r"raise child_exception_type[^\n]{0,200}+\n(?:[ ^~]{1,200}+\n)?+"
        r"FileNotFoundError: \[Errno 2\] No such file or directory: '([^'\n/]{1,100}+)'",
        "the program {0} is missing",
        _PROGRAM,
        package=package_of_program,
    ),
    # Meson downloads a missing library from the source that a wrap file in subprojects/ names.
    _sign(
        r"ERROR: Git program not found, cannot download ([\w.+-]{1,100})\.wrap\b",
        "Meson does not find {0}, and would download its sources, which builds cannot",
        "Put the Debian -dev package of {0} into the recipe's apt list, or its sources into subprojects/ by sources "
        "(url, sha256, to).",
        package=debian_package,
    ),
    _sign(
        r"\b[Nn]o (lib[\w.+-]{1,60}) (?:was |were )?(?:detected|found)\b",
        "the library {0} is missing",
        _DEV_PACKAGE_OF,
        package=debian_package,
    ),
    _Sign(
        pattern=re.compile(
            r"Temporary failure in name resolution|Name or service not known|[Cc]ould not resolve host|"
            r"Network is unreachable|Failed to establish a new connection|unable to resolve host address"
        ),
        explain=lambda match: _of_network(calls_in_log(match.string)),
    ),
    _Sign(
        pattern=re.compile(r"No space left on device|Disk quota exceeded"),
        explain=lambda _: Diagnosis(cause="its scratch space is full", remedy="", limit=DiskLimitError.code),
    ),
    _Sign(
        pattern=re.compile(r"Too many open files"),
        explain=lambda _: Diagnosis(cause="it has too many open files", remedy="", limit=OpenFilesLimitError.code),
    ),
    # setuptools 58 removed use_2to3: https://setuptools.pypa.io/en/latest/history.html#v58-0-0
    _sign(
        r"error in .{1,100}? setup command: (use_2to3\w{0,40}+) is invalid",
        "it is written for Python 2, and setuptools no longer converts it ({0})",
        "Ask for a newer release, or convert it by a patch of the recipe; for Python 3.11 and older, "
        'build-constraints = ["setuptools<58"] does, too.',
    ),
    _sign(
        r"ModuleNotFoundError: No module named '([\w.]{1,100}+)'",
        "the Python module {0} is missing from its build requirements",
        "",
    ),
    # Test programs of a configure step are excluded: they may fail in a build that succeeds.
    _sign(
        r"^((?!\S{0,200}conf(?:ig)?test)[\w./+-]{1,200}+:\d{1,9}+):\d{1,9}+: error: ([^\n]{1,300}+)",
        "{0} does not compile: {1}",
        "",
    ),
    # "failed", "returned non-zero exit status", "died with": setuptools names a command only when it failed.
    _sign(
        r"error: [Cc]ommand '(?:\[')?([^'\n]{1,200}+)'",
        "the command {0} failed",
        "",
    ),
)


def diagnose(log: str, calls: Sequence[NetworkCall] = ()) -> Diagnosis | None:
    """Return the most specific cause that the log shows; None if nothing in it is recognised.

    Args:
        log: The output of the build; only its last ``MAX_CHARACTERS`` are read.
        calls: Hosts that it tried to reach. It may have failed for another reason, so the log comes first.
    """
    log = log[-MAX_CHARACTERS:]
    for sign in _SIGNS:
        if match := sign.pattern.search(log):
            found = sign.explain(match)
            return _of_network([*calls, *calls_in_log(log)]) if found.is_network else _with_calls(found, calls, log)
    return _of_network(calls) if calls else None


def _of_network(calls: Sequence[NetworkCall]) -> Diagnosis:
    named = f" ({name_calls(calls)})" if calls else ""
    remedy = REMEDY if calls else f"Find in the log what it wanted to download. {REMEDY}"
    cause = f"it tried to reach the network, which builds do not have{named}"
    return Diagnosis(cause=cause, remedy=remedy, is_network=True)


def _with_calls(found: Diagnosis, calls: Sequence[NetworkCall], log: str) -> Diagnosis:
    """Add the network calls to another cause, because they may have led to it."""
    if not calls:
        return found
    beside = f"It also called for {name_calls([*calls, *calls_in_log(log)])}, and there is no network. {REMEDY}"
    return replace(found, remedy=f"{found.remedy} {beside}".strip())
