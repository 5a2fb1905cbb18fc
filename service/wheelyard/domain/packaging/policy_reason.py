"""Explain a wheel's policy in one sentence: which file needs what, through which chain, and what would lower it."""

import re
from dataclasses import dataclass
from typing import Final

_GLIBC: Final = re.compile(r"GLIBC_(\d+(?:\.\d+)+)")
_SHOWN_SYMBOLS: Final = 3
_ANY: Final = "any"
"""The platform tag of pure wheels, to which no policy applies (PEP 425)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PolicyNeed:
    """Something that a file of a wheel needs and that more portable policies do not allow."""

    file: str
    """Its path inside the wheel."""
    grafted: str | None
    """The name that links to it, if repair grafted it; None for a file of the project's own."""
    library: str
    """The system library that provides it, such as ``libc.so.6``."""
    version: str | None
    """The version of the symbols, such as ``GLIBC_2.14``; None if the library itself is not allowed."""
    symbols: tuple[str, ...]
    """The symbols of that version that it needs, at most ten."""
    chain: tuple[str, ...]
    """The path of links from a file of the project to it: paths inside the wheel, and names of grafted libraries."""
    more_symbols: int = 0
    """The number of further ones that are not listed."""

    def describe(self) -> str:
        """Return which file needs what, as text."""
        return f"{self._who()} needs {self._what()}"

    def _who(self) -> str:
        if self.grafted is None:
            return self.file
        way = self.chain[:-1]
        return f"the grafted {self.grafted}" + (f" (asked for by {' -> '.join(way)})" if way else "")

    def _what(self) -> str:
        shown = ", ".join(f"{name}@{self.version}" if self.version else name for name in self.symbols[:_SHOWN_SYMBOLS])
        if self.version is None:
            return f"{shown} of {self.library}" if shown else self.library
        more = len(self.symbols) + self.more_symbols - _SHOWN_SYMBOLS
        return f"{shown or self.version}{f' and {more} more' if more > 0 else ''} of {self.library}"


@dataclass(frozen=True, kw_only=True, slots=True)
class PolicyReason:
    """The reason for a wheel's policy."""

    policy: str
    needs: tuple[PolicyNeed, ...]
    """What prevents a more portable policy, the project's own files first; empty if nothing does."""
    more_needs: int
    """The number of further ones that are not listed."""
    lower: str | None
    """The policy that it would have without these needs; None if it is not known, or none is better."""

    @property
    def sentence(self) -> str:
        """Return the reason as one sentence."""
        if self.policy == _ANY:
            return "any because no file in it is native, so it runs on every platform, and nothing could lower that."
        if not self.needs:
            return f"{self.policy} because nothing in it needs more, and no policy is more portable."
        more = len(self.needs) + self.more_needs - 1
        others = f" (and {more} more such {'need' if more == 1 else 'needs'})" if more else ""
        return f"{self.policy} because {self.needs[0].describe()}{others}{self._remedy()}."

    def _remedy(self) -> str:
        if self.lower is None:
            return "; without that no more portable policy is known to hold either"
        versions = [match[1] for need in self.needs if need.version and (match := _GLIBC.fullmatch(need.version))]
        if len(versions) == len(self.needs):
            oldest = min(versions, key=lambda text: tuple(map(int, text.split("."))))
            return f"; with {self._files()} compiled against a glibc older than {oldest} it would be {self.lower}"
        return f"; without that it would be {self.lower}"

    def _files(self) -> str:
        """Return the name of what must be compiled again."""
        names = {need.grafted or need.file for need in self.needs}
        if len(names) > 1 or self.more_needs:
            return "those files" if self.more_needs else f"these {len(names)} files"
        return f"a {self.needs[0].grafted}" if self.needs[0].grafted else "it"


PURE: Final = PolicyReason(policy=_ANY, needs=(), more_needs=0, lower=None)
"""The reason of a wheel without native files, which has no policy."""
