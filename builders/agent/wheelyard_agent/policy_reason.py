"""Explain a repaired wheel's policy: which file needs what, through which chain, and what would lower it.

The inputs are auditwheel's report and ELF data.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from wheelyard_agent.linkage import Linkage

_MAX_NEEDS = 20
_MAX_SYMBOLS = 10
_LOADERS = ("ld-linux", "ld64.so.")


class NativeFiles(NamedTuple):
    """The native files of a repaired wheel."""

    linkage: Mapping[str, Linkage]
    """The needs of each, by its path inside the wheel."""
    grafted: Mapping[str, str]
    """The name that links to each grafted library, by its path inside the wheel."""

    def label(self, member: str) -> str:
        """Return the name of a file for messages."""
        return self.grafted.get(member, member)

    def needed_by(self, member: str) -> list[str]:
        """Return the files that link to a file directly."""
        return sorted(self.label(one) for one in self.linkage if member in self._neighbours(one))

    def chain(self, member: str) -> list[str]:
        """Return the shortest path of links from a file of the project to a file, both included."""
        roots = sorted(one for one in self.linkage if one not in self.grafted)
        before: dict[str, str | None] = dict.fromkeys(roots)
        queue = deque(roots)
        while queue and member not in before:
            here = queue.popleft()
            for other in self._neighbours(here):
                if other not in before:
                    before[other] = here
                    queue.append(other)
        return [self.label(one) for one in self._way_back(member, before)]

    def _way_back(self, member: str, before: Mapping[str, str | None]) -> list[str]:
        way = [member]
        while (step := before.get(way[0])) is not None:
            way.insert(0, step)
        return way

    def _neighbours(self, member: str) -> list[str]:
        wanted = set(self.linkage[member].needed)
        return sorted(one for one, facts in self.linkage.items() if {facts.soname, one.rpartition("/")[2]} & wanted)


def explain_policy(
    audit: Mapping[str, Any], files: NativeFiles, *, policies: Sequence[str], of_version: Callable[[str, str], str]
) -> dict[str, Any]:
    """Explain the policy of an audit (``auditwheel show --json``); ``policies`` go from least to most portable."""
    rank = {name: place for place, name in enumerate(policies)}
    policy = audit["overall_tag"]
    by_symbols = audit["sym_tag"] == policy and rank[policy] < len(policies) - 1
    kept = _symbol_needs(files, lambda *need: of_version(*need) == policy) if by_symbols else []
    needs = kept or list(_library_needs(audit, files, policies[rank[policy] + 1 :]))
    lower = _without(audit, files, rank, of_version) if needs else None
    return {"policy": policy, "needs": needs[:_MAX_NEEDS], "more_needs": len(needs[_MAX_NEEDS:]), "lower": lower}


def _symbol_needs(files: NativeFiles, decides: Callable[[str, str], bool]) -> list[dict[str, Any]]:
    """Return the symbols that set the policy; those of grafted libraries come after the project's own."""
    needs = []
    for member in sorted(files.linkage, key=lambda one: (one in files.grafted, one)):
        for (library, version), symbols in sorted(files.linkage[member].versions.items()):
            if not library.startswith(_LOADERS) and decides(library, version):
                needs.append(_need(files, member, library, version, symbols))
    return needs


def _library_needs(audit: Mapping[str, Any], files: NativeFiles, better: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Return the libraries and symbols that the next more portable policy does not allow."""
    upgrade: Mapping[str, Any] = next(
        (audit["policy_upgrades"][name] for name in better if name in audit["policy_upgrades"]), {}
    )
    unwelcome: dict[str, tuple[str, ...]] = dict.fromkeys(upgrade.get("libs_to_eliminate", ()), ())
    unwelcome |= {name: tuple(names) for name, names in upgrade.get("blacklisted_symbols", {}).items()}
    for member in sorted(files.linkage):
        for library in sorted(unwelcome.keys() & set(files.linkage[member].needed)):
            yield _need(files, member, library, None, unwelcome[library])


def _need(files: NativeFiles, member: str, library: str, version: str | None, symbols: Sequence[str]) -> dict[str, Any]:
    return {
        "file": member,
        "grafted": files.grafted.get(member),
        "library": library,
        "version": version,
        "symbols": list(symbols[:_MAX_SYMBOLS]),
        "more_symbols": len(symbols[_MAX_SYMBOLS:]),
        "chain": files.chain(member),
    }


def _without(
    audit: Mapping[str, Any], files: NativeFiles, rank: Mapping[str, int], of_version: Callable[[str, str], str]
) -> str | None:
    """Return the policy without the needs of the present one; None if no better one is known."""
    here = rank[audit["overall_tag"]]
    needs = {need for facts in files.linkage.values() for need in facts.versions if not need[0].startswith(_LOADERS)}
    ranks = [place for place in (rank[of_version(*need)] for need in needs) if place > here]
    best = min(ranks, default=len(rank) - 1)
    if audit["sym_tag"] != audit["overall_tag"]:
        best = min(best, rank[audit["sym_tag"]])
    reachable = [
        name for name, place in rank.items() if here < place <= best and _is_open(audit, name, here=here, rank=rank)
    ]
    return max(reachable, key=lambda name: rank[name], default=None)


def _is_open(audit: Mapping[str, Any], name: str, *, here: int, rank: Mapping[str, int]) -> bool:
    """Return whether only the named needs prevent a policy."""
    upgrades = audit["policy_upgrades"]
    if name not in upgrades or audit["sym_tag"] == audit["overall_tag"]:
        return name not in upgrades
    nearest = min((one for one in upgrades if rank.get(one, -1) > here), key=lambda one: rank[one])
    return bool(upgrades[name] == upgrades[nearest])
