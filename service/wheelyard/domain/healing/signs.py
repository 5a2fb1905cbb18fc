"""What a line of a log looks like that says what is missing, and how to read it.

The log is untrusted, so each pattern has a form whose cost is known (tests/unit/domain/test_log_patterns.py): no
repetition without an upper limit, and possessive ones (``++``, ``{1,9}+``) wherever the next part cannot begin with
what is repeated, so that nothing is matched twice.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from wheelyard.domain.healing.findings import Finding, FindingKind

MAX_LINE: Final = 300
"""Characters of a line or a cause that a finding keeps."""
_NAME: Final = re.compile(r"(?![-/])[\w.+/-]{1,100}", re.ASCII)
_BOUND: Final = re.compile(r"[<>=!~]{0,2}+[\w.+*~-]{1,40}+(?:,[<>=!~]{1,2}+[\w.+*~-]{1,40}+){0,3}+", re.ASCII)
_NAMELESS: Final = frozenset(
    {
        FindingKind.BACKEND_DRIFT,
        FindingKind.NETWORK,
        FindingKind.CRATES_LOCK,
        FindingKind.C_SOURCES,
        FindingKind.PROJECT_REFUSES,
        FindingKind.LIMIT,
        FindingKind.EMULATOR,
        FindingKind.COMPILE_ERROR,
        FindingKind.COMMAND_FAILED,
    }
)
"""Kinds of findings that say enough without a name."""
NEWER_SUITE: Final = "Ask for a builder of a newer suite, or build an older release."
HEADER_REMEDY: Final = "Put the Debian -dev package that holds {0} into the recipe's apt list (apt-file search {0})."
HEADER_CAUSE: Final = "the C header {0} is missing"
LIBRARY_CAUSE: Final = "the library {0} is missing"
PROGRAM_CAUSE: Final = "the program {0} is missing"
PROGRAM_REMEDY: Final = "Put the Debian package that holds {0} into the recipe's apt list (apt-file search bin/{0})."
DEV_PACKAGE_OF: Final = "Put the Debian -dev package of {0} into the recipe's apt list."
MODULE_CAUSE: Final = "the Python module {0} is missing from its build requirements"
MODULE_REMEDY: Final = "Put the project that has {0} into the recipe's build-requires.add."
_PACKAGES: Final = "Put into the recipe: apt = [{}]."
TOOLCHAINS: Final = {
    **dict.fromkeys(("cargo", "rustc", "rustup", "rust", "maturin-rust"), "rust"),
    **dict.fromkeys(("gfortran", "f77", "f90", "f95", "flang", "flang-new", "fortran", "ifort"), "fortran"),
    **dict.fromkeys(("java", "javac", "jar", "jni", "jni.h", "ant", "mvn", "java_home"), "java"),
    **dict.fromkeys(("bazel", "bazelisk"), "bazel"),
}
"""The toolchain that provides a program, a header or a CMake package, by its name in lower case."""
_IN_WHEELS: Final = frozenset({"cython", "nanobind", "numpy", "pybind11", "torch"})
"""Headers, CMake packages and pkg-config modules that a wheel has: a build requirement, not a system package."""
_MAY_BE_IN_WHEELS: Final = frozenset({FindingKind.HEADER, FindingKind.CMAKE_PACKAGE, FindingKind.PKG_CONFIG})
_NEEDS: Final = {
    "rust": "it needs a Rust toolchain",
    "fortran": "it needs a Fortran compiler",
    "java": "it needs Java",
    "bazel": "it needs Bazel",
}
_MAY_BE_TOOLCHAIN: Final = frozenset({FindingKind.PROGRAM, FindingKind.HEADER, FindingKind.CMAKE_PACKAGE})


@dataclass(frozen=True, kw_only=True, slots=True)
class Sign:
    """A pattern of a log, and what a match of it means.

    ``{0}`` in the texts is what the first group matched, and so on. Where ``package`` knows which Debian package a
    name is, the remedy names it.
    """

    kind: FindingKind
    pattern: re.Pattern[str]
    name: str = "{0}"
    bound: str = ""
    found: str = ""
    cause: str
    remedy: str = ""
    package: Callable[[str], str | None] = lambda _: None
    items: re.Pattern[str] | None = None
    """Where the first group is a list: what one item of it looks like. The item's groups follow those of the match."""

    def read(self, log: str) -> Iterator[tuple[int, Finding]]:
        """Yield what the log says by this sign, with the place of each."""
        for match in self.pattern.finditer(log):
            place = match.start(1) if self.pattern.groups and match.start(1) >= 0 else match.start()
            line = line_at(log, place)
            groups = [" ".join(group.split()) for group in match.groups("")] or [""]
            every = [groups] if self.items is None else _items(self.items, match.group(1))
            for one in every:
                finding = self._finding(one, line)
                if finding is not None:
                    yield place, finding

    def _finding(self, groups: list[str], line: str) -> Finding | None:
        known = self.package(groups[0])
        remedy = _PACKAGES.format(f'"{known}"') if known else self.remedy.format(*groups)
        return finding_of(
            self.kind,
            self.name.format(*groups),
            bound=self.bound.format(*groups),
            found=self.found.format(*groups),
            line=line,
            cause=self.cause.format(*groups),
            remedy=remedy,
        )


def _items(pattern: re.Pattern[str], text: str) -> list[list[str]]:
    return [[" ".join(group.split()) for group in match.groups("")] for match in pattern.finditer(text)]


def sign(  # noqa: PLR0913  (the fields of a sign)
    kind: FindingKind,
    pattern: str,
    cause: str,
    remedy: str = "",
    *,
    name: str = "{0}",
    bound: str = "",
    found: str = "",
    package: Callable[[str], str | None] = lambda _: None,
    items: str = "",
) -> Sign:
    """Return a sign; its pattern is searched in all lines."""
    return Sign(
        kind=kind,
        pattern=re.compile(pattern, re.MULTILINE),
        name=name,
        bound=bound,
        found=found,
        cause=cause,
        remedy=remedy,
        package=package,
        items=re.compile(items) if items else None,
    )


def finding_of(  # noqa: PLR0913  (the fields of a finding)
    kind: FindingKind,
    name: str,
    *,
    bound: str = "",
    found: str = "",
    line: str = "",
    cause: str = "",
    remedy: str = "",
) -> Finding | None:
    """Return a finding of untrusted text, cleaned; None if its name is none and its kind needs one."""
    name = plain_name(name)
    if not name and kind not in _NAMELESS:
        return None
    finding = Finding(
        kind=kind,
        name=name,
        bound=plain_bound(bound),
        found=plain_bound(found).lstrip("<>=!~"),
        line=printable(line),
        cause=printable(cause),
        remedy=printable(remedy, 2 * MAX_LINE),
    )
    toolchain = TOOLCHAINS.get(name.lower(), "") if kind in _MAY_BE_TOOLCHAIN else ""
    if kind is FindingKind.TOOLCHAIN or toolchain:
        return _of_toolchain(finding, toolchain or name)
    module = name.partition("/")[0].lower()
    if kind in _MAY_BE_IN_WHEELS and module in _IN_WHEELS:
        cause, remedy = MODULE_CAUSE.format(module), MODULE_REMEDY.format(module)
        return replace(finding, kind=FindingKind.PYTHON_MODULE, name=module, cause=cause, remedy=remedy)
    return finding


def _of_toolchain(finding: Finding, toolchain: str) -> Finding:
    floor = finding.bound if finding.bound.startswith(">=") else ""
    cause = finding.cause if finding.kind is FindingKind.TOOLCHAIN else _NEEDS[toolchain]
    return replace(
        finding,
        kind=FindingKind.TOOLCHAIN,
        name=toolchain,
        bound=floor,
        cause=cause + (f" {floor.removeprefix('>=')} or newer" if floor else ""),
        remedy=f'Put toolchains = ["{toolchain}{floor}"] into the recipe.' if toolchain in _NEEDS else finding.remedy,
    )


def plain_name(text: str) -> str:
    """Return a name as far as it is a safe one: no option, no absolute path, no step upwards; else an empty string."""
    name = text.strip().rstrip(".,:;")
    while name.startswith(("./", "../")):
        name = name.partition("/")[2]
    name = name.removeprefix("/usr/include/")
    return name if _NAME.fullmatch(name) and ".." not in name else ""


def plain_bound(text: str) -> str:
    """Return a version or a bound in its usual form, such as ``>=1.2``; empty if it is none."""
    bound = text.replace(" ", "").replace("'", "").strip(".,;:)(")
    return bound if _BOUND.fullmatch(bound) else ""


def printable(text: str, limit: int = MAX_LINE) -> str:
    """Return text as one line of limited length, without characters that a terminal would act on."""
    plain = "".join(one if one.isprintable() else " " for one in text[: 2 * limit])
    return " ".join(plain.split())[:limit]


def line_at(log: str, place: int) -> str:
    """Return the line around a place of a log, shortened around it if it is long."""
    begin = max(log.rfind("\n", 0, place) + 1, place - MAX_LINE // 2)
    end = log.find("\n", place, begin + MAX_LINE)
    return log[begin : end if end >= 0 else begin + MAX_LINE].strip()
