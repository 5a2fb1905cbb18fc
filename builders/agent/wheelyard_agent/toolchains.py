"""The toolchains of a builder image, and a check of their versions.

The layer of each toolchain has a JSON file with the command that prints its version, and its environment variables.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from wheelyard_agent.job import JobError, output_of, say

FACTS = Path("/opt/wheelyard/toolchains")
_VERSION = re.compile(r"\d+(?:\.\d+)*")


def open_toolchains(needs: Sequence[str], *, env: Mapping[str, str], facts: Path = FACTS) -> dict[str, str]:
    """Return the variables of the toolchains that a recipe needs, such as ``rust>=1.85``; fail if one is too old."""
    variables: dict[str, str] = {}
    for need in needs:
        name, _, floor = need.partition(">=")
        variables.update(_open(name, floor, env=env, file=facts / f"{name}.json"))
    return variables


def _open(name: str, floor: str, *, env: Mapping[str, str], file: Path) -> dict[str, str]:
    if not file.exists():
        raise JobError("toolchain-too-old", toolchain=name, have="none", want=floor or "any")
    fact = json.loads(file.read_text(encoding="utf-8"))
    output = output_of(fact["version_command"], env={**env, **fact["env"]}) or ""
    version = _VERSION.search(output)
    have = version.group() if version else "unknown"
    say(f"toolchain {name} {have}")
    if floor and _parts(have) < _parts(floor):
        raise JobError("toolchain-too-old", toolchain=name, have=have, want=f"{name}>={floor}")
    return dict(fact["env"])


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
