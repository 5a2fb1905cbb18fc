"""Report the origin of every library that auditwheel grafted, and what links to it.

The report starts from the new files in the wheel, so that it cannot miss one.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from wheelyard_agent.owners import find_owners
from wheelyard_agent.policy_reason import NativeFiles

_LIBRARIES = ".libs"  # auditwheel's folder for grafted libraries


class Graft(NamedTuple):
    """A grafted library: the name that links to it, and its origin."""

    soname: str
    origin: Path | None


def find_grafts(before: Collection[str], after: Sequence[str], external: Mapping[str, str | None]) -> dict[str, Graft]:
    """Return the native members that repair added, by path; ``external`` are auditwheel's paths by soname."""
    added = [member for member in after if member not in before and member.partition("/")[0].endswith(_LIBRARIES)]
    sources = {name: Graft(soname, Path(path)) for soname, path in external.items() if path for name in _names(path)}
    return {member: sources.get(Path(member).name, Graft(Path(member).name, None)) for member in added}


def write_ledger(
    wheel: Path,
    grafts: Mapping[str, Graft],
    files: NativeFiles,
    *,
    promised: Collection[str],
    env: Mapping[str, str],
) -> list[dict[str, Any]]:
    """Return an entry for each grafted library, sorted by name; ``promised`` are those of the policies."""
    origins = [graft.origin for graft in grafts.values() if graft.origin is not None]
    owners = find_owners(origins, env=env)
    entries: list[dict[str, Any]] = []
    with zipfile.ZipFile(wheel) as bundle:
        for member, graft in sorted(grafts.items(), key=lambda item: item[1].soname):
            owner = owners.get(graft.origin) if graft.origin else None
            entries.append(
                {
                    "soname": graft.soname,
                    "path": member,
                    "sha256": _digest(bundle.read(member)),
                    "origin": str(graft.origin) if graft.origin else None,
                    "origin_sha256": _digest(graft.origin.read_bytes()) if graft.origin else None,
                    "package": owner.package if owner else None,
                    "package_version": owner.package_version if owner else None,
                    "source_package": owner.source_package if owner else None,
                    "needed_by": files.needed_by(member),
                    "chain": files.chain(member),
                    "beyond_policy": graft.soname in promised,
                }
            )
    return entries


def _names(path: str) -> tuple[str, str]:
    """Return the possible names of a grafted library: with its digest, unless the name has it already."""
    file = Path(path)
    base, dot, rest = file.name.partition(".")
    return f"{base}-{_digest(file.read_bytes())[:8]}{dot}{rest}", file.name


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
