"""Models of what failed stages say."""

from wheelyard.api.schemas.base import View
from wheelyard.domain.healing.findings import FindingKind


class LogFindingView(View):
    """One thing that a failed stage's output says is missing or wrong."""

    kind: FindingKind
    """What kind of thing it is; each kind has a row in ``docs/healing.md``."""
    name: str
    """What is missing, as the log names it; empty if the log names nothing."""
    bound: str
    """The wanted version, such as ``>=9.4``; empty if none is named."""
    found: str
    """The version that is there, of what is too old; else empty."""
    line: str
    """The line of the log that says it, at most 300 characters."""
    cause: str
    """The finding in words."""
    remedy: str
    """What would fix it; empty if nothing is known."""
