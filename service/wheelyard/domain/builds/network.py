"""Hosts that project code tried to reach without a network, and what to do about it."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from wheelyard.errors import NetworkCall

_MAX_NAMED: Final = 5
REMEDY: Final = (
    "Give it what it wanted through the recipe: a file by sources (url, sha256, to), a library by apt, a Python project"
    " by build-requires.add, a compiler by toolchains; env or config-settings often say that it is there."
)
# Messages of curl, git, cargo, CMake, pip and Python's own libraries. No backend reports this as data.
_IN_LOGS: Final = (
    re.compile(r"Could not resolve host(?:name)?+:?+ (?P<host>[\w.-]{1,253}+)"),
    re.compile(r"Failed to connect to (?P<host>[\w.-]{1,253}+) port (?P<port>\d{1,5}+)"),
    re.compile(r"ConnectionPool\(host='(?P<host>[\w.-]{1,253}+)', port=(?P<port>\d{1,5}+)\)"),
    re.compile(r"(?:getaddrinfo\(3\) failed for|Could not resolve:) (?P<host>[\w.-]{1,253}+):(?P<port>\d{1,5}+)"),
    re.compile(r"unable to resolve host address \W(?P<host>[\w.-]{1,253})\b"),
    re.compile(
        r"(?:unable to access|Could not fetch URL) \W?https?+://(?P<host>[\w.-]{1,253}+)(?::(?P<port>\d{1,5}+))?+"
    ),
)


def calls_in_log(log: str) -> tuple[NetworkCall, ...]:
    """Return the hosts that programs report as unreachable."""
    found = [match.groupdict() for pattern in _IN_LOGS for match in pattern.finditer(log)]
    return tuple(NetworkCall(host=one["host"], port=int(one.get("port") or 0) or None) for one in found)


def name_calls(calls: Iterable[NetworkCall]) -> str:
    """Return the hosts as text, each once, with its port if a call had one."""
    every = list(dict.fromkeys(calls))
    with_port = {call.host for call in every if call.port}
    named = [str(call) for call in every if call.port or call.host not in with_port]
    more = f" and {len(named) - _MAX_NAMED} more" if len(named) > _MAX_NAMED else ""
    return ", ".join(named[:_MAX_NAMED]) + more


def network_warnings(calls: Sequence[NetworkCall], *, stage: str) -> tuple[str, ...]:
    """Return what a stage tried to reach: at most one sentence, for a report."""
    if not calls:
        return ()
    where = f"In the {stage} stage its code called for {name_calls(calls)}, and there is no network."
    return (f"{where} {REMEDY}",)
