"""The organisation's own project names, which no other index may provide (dependency confusion)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from packaging.utils import NormalizedName

from wheelyard.errors import OwnProjectError

_SEPARATORS = re.compile(r"[-_.]+")
_NAMESPACE = re.compile(r"([a-z0-9]+(?:-[a-z0-9]+)*)-?\*")
"""A pattern that covers every name in a namespace: ``acme-*``, and ``acme*``, which covers more."""


@dataclass(frozen=True, slots=True)
class OwnProjects:
    """Patterns of project names, such as ``acme-*``, compared with normalised names (PEP 503)."""

    patterns: tuple[str, ...] = ()

    @classmethod
    def of(cls, patterns: Sequence[str]) -> "OwnProjects":
        """Return patterns normalised like names, so that ``Acme_*`` means ``acme-*``."""
        return cls(tuple(_SEPARATORS.sub("-", pattern).lower() for pattern in patterns))

    def refuse(self, project: NormalizedName) -> None:
        """Raise OwnProjectError if the name is one of the organisation's own."""
        if (refusal := self.refusal_of(project)) is not None:
            raise refusal

    def refusal_of(self, project: NormalizedName) -> OwnProjectError | None:
        """Return the error for a name that is one of the organisation's own; None for other names."""
        pattern = self._pattern_of(project)
        return None if pattern is None else OwnProjectError(project=project, pattern=pattern)

    def include(self, project: NormalizedName) -> bool:
        """Return whether the name is one of the organisation's own."""
        return self._pattern_of(project) is not None

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Return the namespaces (PEP 752) that the patterns reserve, in order: ``acme`` for ``acme-*``."""
        found = (_NAMESPACE.fullmatch(pattern) for pattern in self.patterns)
        return tuple(sorted({match[1] for match in found if match}))

    def namespaces_of(self, project: str) -> tuple[str, ...]:
        """Return the namespaces that a normalised name lies in, the outermost first.

        A namespace has its own name, and those that go on with a hyphen (PEP 752).
        """
        return tuple(name for name in self.namespaces if f"{project}-".startswith(f"{name}-"))

    def parent_of(self, namespace: str) -> str | None:
        """Return the innermost namespace around one of the namespaces; None if there is none."""
        outer = [name for name in self.namespaces_of(namespace) if name != namespace]
        return outer[-1] if outer else None

    def _pattern_of(self, project: NormalizedName) -> str | None:
        return next((pattern for pattern in self.patterns if fnmatchcase(project, pattern)), None)
