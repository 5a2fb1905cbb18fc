"""Read what a failed stage says: everything that its log shows to be missing or wrong, the most specific first."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from wheelyard.domain.builds.network import REMEDY, calls_in_log, name_calls
from wheelyard.domain.healing.findings import Finding, FindingKind
from wheelyard.domain.healing.log_signs import MISSING
from wheelyard.domain.healing.project_signs import CODE, COMMANDS, CRATES, DRIFT, LIMITS, MODULES, REFUSES
from wheelyard.domain.healing.signs import printable
from wheelyard.errors import NetworkCall, VerifyFailedError

MAX_CHARACTERS: Final = 256 << 10
"""How much of a log's end is read."""
_MOST: Final = 40
_NETWORK: Final = re.compile(
    r"Temporary failure in name resolution|Name or service not known|[Cc]ould not resolve host|"
    r"Network is unreachable|Failed to establish a new connection|unable to resolve host address"
)
_SIGNS: Final = (*MISSING, *DRIFT, *CRATES, *LIMITS, *REFUSES, *MODULES, *CODE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Diagnosis:
    """The cause of a failed build in a sentence, as far as its log shows it."""

    cause: str
    remedy: str
    limit: str = ""
    """The error code of the limit that the build reached; empty if it reached none."""


def read_findings(log: str, calls: Sequence[NetworkCall] = ()) -> tuple[Finding, ...]:
    """Return everything that a failed build says, each thing once, the most specific first.

    Args:
        log: The output of the build; only its last ``MAX_CHARACTERS`` are read.
        calls: Hosts that it tried to reach. It may have failed for another reason, so the log comes first.
    """
    log = log[-MAX_CHARACTERS:]
    found: dict[tuple[FindingKind, str], Finding] = {}
    for one in _read(log, calls):
        known = found.setdefault((one.kind, one.name), one)
        if one.bound and not known.bound:
            found[one.kind, one.name] = replace(known, bound=one.bound, found=one.found)
        if len(found) >= _MOST:
            break
    return tuple(found.values())


def _read(log: str, calls: Sequence[NetworkCall]) -> Iterator[Finding]:
    is_empty = True
    for sign in _SIGNS:
        for _, finding in sign.read(log):
            is_empty = False
            yield finding
    hosts = (*calls, *calls_in_log(log))
    if hosts or _NETWORK.search(log):
        yield _of_network(hosts)
    elif is_empty:
        yield from (finding for sign in COMMANDS for _, finding in sign.read(log))


def _of_network(calls: Sequence[NetworkCall]) -> Finding:
    hosts = name_calls(calls)
    remedy = REMEDY if calls else f"Find in the log what it wanted to download. {REMEDY}"
    named = f" ({hosts})" if hosts else ""
    return Finding(
        kind=FindingKind.NETWORK,
        name=printable(calls[0].host) if calls else "",
        line=printable(hosts),
        cause=printable(f"it tried to reach the network, which builds do not have{named}"),
        remedy=remedy,
    )


def host_findings(error: VerifyFailedError) -> tuple[Finding, ...]:
    """Return what a wheel lacked in the bare runtime image."""
    libraries = (
        Finding(
            kind=FindingKind.HOST_LIBRARY,
            name=name,
            cause=f"{name} is neither in the wheel nor in a bare image",
            remedy=f"Name {name} in the recipe's repair.graft, or its package in test.apt.",
        )
        for name in error.missing_libraries
    )
    modules = (
        Finding(
            kind=FindingKind.PYTHON_MODULE,
            name=name,
            cause=f"the Python module {name} is not there",
            remedy="Name the project that has it in the recipe's test.requires.",
        )
        for name in error.missing_modules
    )
    return (*libraries, *modules)


def diagnose(findings: Sequence[Finding]) -> Diagnosis | None:
    """Return the most specific cause that findings of a build show; None if there are none."""
    if not findings:
        return None
    first, *others = findings
    limit = first.name if first.kind is FindingKind.LIMIT else ""
    network = next((one for one in others if one.kind is FindingKind.NETWORK), None)
    remedy = first.remedy
    if network is not None and network.line:
        remedy = f"{remedy} It also called for {network.line}, and there is no network. {REMEDY}".strip()
    return Diagnosis(cause=first.cause, remedy=remedy, limit=limit)
