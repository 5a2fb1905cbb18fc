"""Explain a failed build from its log: the cause in a sentence, and what to put into a recipe.

Backends, compilers and configure scripts report in prose only, so this reads prose; what is not recognised stays
unexplained rather than guessed. Must not name projects.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True, slots=True)
class Diagnosis:
    """Why a build failed, as far as its log tells."""

    cause: str
    remedy: str


@dataclass(frozen=True, kw_only=True, slots=True)
class _Sign:
    pattern: re.Pattern[str]
    explain: Callable[[re.Match[str]], Diagnosis]


def _sign(pattern: str, cause: str, remedy: str) -> _Sign:
    """Recognise a pattern; ``{0}`` in the sentences stands for what its first group matched, and so on."""

    def explain(match: re.Match[str]) -> Diagnosis:
        groups = match.groups() or ("",)
        return Diagnosis(cause=cause.format(*groups), remedy=remedy.format(*groups))

    return _Sign(pattern=re.compile(pattern, re.MULTILINE), explain=explain)


_DEV_PACKAGE: Final = "Put the Debian -dev package that holds {0} into the recipe's apt list."
_DEV_PACKAGE_OF: Final = "Put the Debian -dev package of {0} into the recipe's apt list."
_PC_FILE: Final = "Put the Debian -dev package that holds {0}.pc into the recipe's apt list."
_PROGRAM: Final = "Put the Debian package that holds {0} into the recipe's apt list (apt-file search bin/{0})."

# In order of how much they say: the first one that is found anywhere in the log counts.
_SIGNS: Final = (
    _sign(
        r"fatal error: ([\w./+-]{1,200}): No such file or directory",
        "the C header {0} is missing",
        "Put the Debian -dev package that holds {0} into the recipe's apt list (apt-file search {0}).",
    ),
    _sign(
        r"error: #error \"?([^\n\"]{1,300})",
        "its source refuses to be compiled here: {0}",
        "If a library is too old, ask for a builder of a newer suite, or build an older release.",
    ),
    _sign(
        r"(?i)minimum supported ([\w.+ -]{1,60}) version is ([\d.]{1,20}[\d])",
        "it needs {0} {1} or newer, and the builder has an older one",
        "Ask for a builder of a newer suite, or build an older release.",
    ),
    _sign(
        r"/ld(?:\.\w+)?: cannot find -l([\w.+-]{1,100})",
        "the library {0} is missing",
        "Put the Debian -dev package that holds lib{0}.so into the recipe's apt list.",
    ),
    _sign(
        r"\b((?:pg|mysql|xml2|xslt|curl|krb5|geos|gdal|freetype)[_-]config)\b.{0,40}not found",
        "the program {0} is missing",
        _DEV_PACKAGE,
    ),
    _sign(
        r"\b(?:No package '|Package '?|Dependency \")([\w.+-]{1,100})(?:', required by '[^'\n]{1,100}'|['\"])?,?"
        r" (?:was not found|not found|found)\b",
        "pkg-config does not know {0}",
        _PC_FILE,
    ),
    _sign(
        r"pkg-config (?:--[\w-]+ )*([\w.+-]{1,100})'? returned non-zero exit status",
        "pkg-config does not know {0}",
        _PC_FILE,
    ),
    _sign(
        r"(?i)can ?not find valid pkg-config name",
        "pkg-config does not know a library that it needs",
        "Put the Debian -dev package of the library into the recipe's apt list.",
    ),
    _sign(
        r"(?:RequiredDependencyException: |headers or library files could not be found for )([\w+-]{1,100})",
        "the library {0} is missing, or its headers are",
        _DEV_PACKAGE_OF,
    ),
    _sign(
        r"(?i)(?:you need to install|make sure|please install)(?: that)?(?: the)? ([\w.+-][\w.+, -]{0,100}?)"
        r" (?:development|devel|dev) (?:headers|files|libraries|packages?)\b",
        "the development files of {0} are missing",
        _DEV_PACKAGE_OF,
    ),
    _sign(
        r"(?i)can't find rust compiler|cargo(?:, the rust package manager)?,? is not installed|rustc.{0,20}not found|"
        r"rust not found, installing",
        "it needs a Rust toolchain",
        'Put toolchains = ["rust"] into the recipe.',
    ),
    _sign(
        r"\b([\w+-][\w.+-]{0,100}) is not installed or (?:is )?not (?:in|on) (?:the )?(?i:path)\b",
        "{0} is not installed",
        "Put the Debian package of {0}, and its -dev package, into the recipe's apt list.",
    ),
    _sign(
        r"Unknown compiler\(s\): \[\[?'(?:gfortran|flang|f95)",
        "it needs a Fortran compiler",
        'Put toolchains = ["fortran"] into the recipe.',
    ),
    _sign(r"Could NOT find (Java|JNI)\b", "it needs {0}", 'Put toolchains = ["java"] into the recipe.'),
    _sign(r"Could (?:NOT|not) find ANT_EXECUTABLE", "it needs ant", 'Put toolchains = ["java"] into the recipe.'),
    _sign(
        r"bazel.{0,20}not found|No such file or directory: '(?:/\S*/)?bazel(?:isk)?'",
        "it needs Bazel",
        'Put toolchains = ["bazel"] into the recipe.',
    ),
    _sign(
        r"Could not find \w{1,100} using the following names: ([\w.+-]{1,100})",
        "CMake does not find {0}",
        _PROGRAM,
    ),
    _sign(
        r"CMake Error[^\n]{0,300}\n\s{0,20}Could NOT find ([\w.+-]{1,100})",
        "CMake does not find {0}",
        _DEV_PACKAGE_OF,
    ),
    _sign(
        r"(?:Temporary failure in name resolution|Name or service not known|Could not resolve host|"
        r"Network is unreachable|Failed to establish a new connection)",
        "it tried to reach the network, which builds do not have",
        "Find what it wanted to download in the log, and give it that through the recipe instead.",
    ),
    _sign(
        r"(?:No space left on device|Disk quota exceeded)",
        "its scratch space is full",
        "Raise WHEELYARD_LIMIT_SCRATCH_BYTES, and the memory limit with it.",
    ),
    _sign(
        r"ModuleNotFoundError: No module named '([\w.]{1,100})'",
        "the Python module {0} is missing from its build requirements",
        "",
    ),
    # Not what a configure step compiles to find something out: that may fail in a build that succeeds.
    _sign(
        r"^((?!\S{0,200}conf(?:ig)?test)[\w./+-]{1,200}:\d+):\d+: error: ([^\n]{1,300})",
        "{0} does not compile: {1}",
        "",
    ),
    # setuptools says either, by its version.
    _sign(
        r"error: [Cc]ommand '(?:\[')?([^'\n]{1,200})'[^\n]*? (?:failed|returned non-zero)",
        "the command {0} failed",
        "",
    ),
)


def diagnose(log: str) -> Diagnosis | None:
    """Give the cause that says most of those that the log shows, None if nothing in it is recognised."""
    for sign in _SIGNS:
        if match := sign.pattern.search(log):
            return sign.explain(match)
    return None
