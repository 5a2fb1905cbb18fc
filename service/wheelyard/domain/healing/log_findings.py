"""Read a failed stage's log: everything that it says is missing or wrong, the most specific first.

Backends, compilers and configure scripts only report in prose, so this module searches prose. What it does not
recognise stays unexplained.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from wheelyard.domain.builds.network import REMEDY, calls_in_log, name_calls
from wheelyard.domain.healing.findings import Finding, FindingKind
from wheelyard.domain.healing.log_signs import MISSING
from wheelyard.domain.healing.project_signs import CODE, COMMANDS, CRATES, DRIFT, EMULATION, LIMITS, MODULES, REFUSES
from wheelyard.domain.healing.signs import finding_of, line_at
from wheelyard.domain.healing.tracebacks import read_tracebacks
from wheelyard.errors import NetworkCall

MAX_CHARACTERS: Final = 320 << 10
MAX_FINDINGS: Final = 40
_MOST_OF_A_SIGN: Final = 200
_BEFORE_NETWORK: Final = (*MISSING, *DRIFT, *MODULES, *CRATES)
_AFTER_NETWORK: Final = (*REFUSES, *EMULATION, *LIMITS, *CODE)
_COLOURS: Final = re.compile(r"\x1b\[[\d;]{0,20}+[A-Za-z]")
_CONFIGURE_TEST: Final = re.compile(r"(?>\S{0,120}?(?:\b_?conf(?:ig)?test\.|/CMakeTmp/|/TryCompile-))")
"""What a configure step compiles to see whether it can: that may fail in a build that succeeds."""
_NETWORK: Final = re.compile(
    r"Temporary failure in name resolution|Name or service not known|[Cc]ould not resolve host|"
    r"Network is unreachable|Failed to establish a new connection|unable to resolve host address"
)
_MISSING_SONAME: Final = re.compile(r"\b(lib[\w.+-]{1,100}?\.so(?:\.[\w.]{1,30})?+): cannot open shared object file")
_MISSING_MODULE: Final = re.compile(r"No module named '?([\w.]{1,100}+)")
_UNDEFINED_SYMBOL: Final = re.compile(r"undefined symbol: (\w{1,100}+)")


def read_findings(log: str, calls: Sequence[NetworkCall] = ()) -> tuple[Finding, ...]:
    """Return what a log says, each thing once, the most specific first; empty if nothing in it is recognised.

    A line says one thing: what the most specific sign that matches it means.

    Args:
        log: The output of a stage; only its last ``MAX_CHARACTERS`` are read.
        calls: Hosts that the stage tried to reach.
    """
    log = _COLOURS.sub("", log[-MAX_CHARACTERS:])
    found: dict[tuple[FindingKind, str], Finding] = {}
    taken: set[int] = set()
    for places in _all_of(log, calls):
        lines = set()
        for place, finding in places:
            begin = log.rfind("\n", 0, place) + 1 if place >= 0 else -1
            if begin in taken or _CONFIGURE_TEST.match(finding.line):
                continue
            lines.add(begin)
            key = finding.kind, finding.name or finding.cause
            if key not in found or (finding.bound and not found[key].bound):
                found[key] = finding
        taken |= lines - {-1}
    said = found or {(one.kind, one.cause): one for one in _commands(log)}
    return tuple(said.values())[:MAX_FINDINGS]


def _all_of(log: str, calls: Sequence[NetworkCall]) -> Iterator[list[tuple[int, Finding]]]:
    """Yield what each sign says, the most specific sign first."""
    for one in _BEFORE_NETWORK:
        yield _some(one.read(log))
    yield list(_of_network(log, calls))
    for one in _AFTER_NETWORK:
        yield _some(one.read(log))
    yield _some(read_tracebacks(log))


def _commands(log: str) -> Iterator[Finding]:
    """Yield which programs failed, for a log that says no more."""
    for one in COMMANDS:
        yield from (finding for _, finding in _some(one.read(log)))


def _some(findings: Iterator[tuple[int, Finding]]) -> list[tuple[int, Finding]]:
    return [one for one, _ in zip(findings, range(_MOST_OF_A_SIGN), strict=False)]


def _of_network(log: str, calls: Sequence[NetworkCall]) -> Iterator[tuple[int, Finding]]:
    match = _NETWORK.search(log)
    if match is None and not calls:
        return
    every = [*calls, *calls_in_log(log)]
    hosts = name_calls(every)
    finding = finding_of(
        FindingKind.NETWORK,
        every[0].host if every else "",
        line=line_at(log, match.start()) if match else "",
        cause="it tried to reach the network, which builds do not have" + (f" ({hosts})" if hosts else ""),
        remedy=REMEDY if hosts else f"Find in the log what it wanted to download. {REMEDY}",
    )
    if finding is not None:
        yield (match.start() if match else -1), finding


def explain(findings: Sequence[Finding], calls: Sequence[NetworkCall] = ()) -> tuple[str, str]:
    """Return the cause and the remedy of a failed build for people, by its most specific finding; empty if none.

    Hosts that it tried to reach stand beside another cause, because they may have led to it.
    """
    if not findings:
        return "", ""
    first = findings[0]
    if not calls or first.kind is FindingKind.NETWORK:
        return first.cause, first.remedy
    beside = f"It also called for {name_calls(calls)}, and there is no network. {REMEDY}"
    return first.cause, f"{first.remedy} {beside}".strip()


def lost_findings(missing: Sequence[str]) -> tuple[Finding, ...]:
    """Return the extension modules that a wheel lacks."""
    found = (
        finding_of(
            FindingKind.EXTENSION_LOST,
            name,
            cause=f"the wheel lacks the extension module {name}",
            remedy="Its library is usually what is missing; name it in the recipe's expect.absent if it may be.",
        )
        for name in missing[:MAX_FINDINGS]
    )
    return tuple(one for one in found if one is not None)


def host_findings(problems: Sequence[str]) -> tuple[Finding, ...]:
    """Return what a wheel lacks in the bare runtime image, by the problems of its proof."""
    found: dict[tuple[FindingKind, str], Finding] = {}
    for problem in problems[:MAX_FINDINGS]:
        for finding in _of_problem(problem[: 64 << 10]):
            found.setdefault((finding.kind, finding.name), finding)
    return tuple(found.values())[:MAX_FINDINGS]


def _of_problem(problem: str) -> Iterator[Finding]:
    tables = (
        (
            _MISSING_SONAME,
            FindingKind.HOST_LIBRARY,
            "{0} is neither in the wheel nor in a bare image",
            "Graft it by the recipe's repair.graft, or name its package in test.apt if users have it on their hosts.",
        ),
        (
            _MISSING_MODULE,
            FindingKind.PYTHON_MODULE,
            "it imports {0}, which none of its requirements has",
            "If it is a part of another project, name that project in the recipe's test.requires.",
        ),
        (
            _UNDEFINED_SYMBOL,
            FindingKind.COMMAND_FAILED,
            "nothing that it links has {0}",
            "A library is missing from its own list, or differs from the one that it was built with.",
        ),
    )
    for pattern, kind, cause, remedy in tables:
        for match in pattern.finditer(problem):
            line = line_at(problem, match.start())
            finding = finding_of(kind, match[1], line=line, cause=cause.format(match[1]), remedy=remedy)
            if finding is not None:
                yield finding
